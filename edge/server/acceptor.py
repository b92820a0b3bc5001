"""The connections of one listener, whichever lane has them, from accept to end.

Not here: what a connection does; listening and draining (`worker`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from time import time
from typing import Protocol
from uuid import uuid4

from edge.events import Unread
from edge.server.hypercorn_connection import Connection, Service
from edge.server.refusals import TOO_MANY_CONNECTIONS, refuse_raw
from edge.server.stream import ClientStream


class Live(Protocol):
    """A connection as the worker sees it, on either lane."""

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        ...

    def begin_drain(self, *, succeeded: bool) -> None:
        """Close if idle, else announce the end.

        Args:
            succeeded: another edge takes new connections: be the client's until it has asked once
                more, or the drain is over; a request may be on its way.
        """
        ...

    def close_unless_busy(self) -> None:
        """Close what waits for a request."""
        ...

    def sweep(self, now: float) -> None:
        """Look at the clock: called several times a second at most, loop time in seconds."""
        ...

    def abort(self) -> None:
        """End the connection now, whatever it is doing."""
        ...


FastLane = Callable[["Acceptor"], asyncio.BufferedProtocol]
"""Makes what an accepted connection begins as."""


class Acceptor:
    """Takes accepted connections and keeps them until they end.

    Attributes:
        inbox: what connections receive into; emptied before the loop reads anything else.
        slow_reader: seconds for which a client may take nothing of what waits for it.
        observe: told of connections that are ended.
        shared: what those of the ASGI lane share.
    """

    def __init__(
        self, shared: Service, inbox: memoryview, fast_lane: FastLane | None = None
    ) -> None:
        self.connections: set[Live] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.inbox = inbox
        self.slow_reader = shared.config.slow_reader
        self.observe = shared.observe
        self.shared = shared
        self._fast_lane = fast_lane
        self._loop = asyncio.get_running_loop()

    @property
    def draining(self) -> bool:
        """Whether the worker is ending."""
        return self.shared.state.draining

    @property
    def leaving(self) -> bool:
        """Whether it is, and no other edge goes on: then a connection ends with its answer."""
        return self.draining and not self.shared.state.succeeded

    @property
    def full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return len(self.connections) >= self.shared.config.max_connections

    def protocol(self) -> asyncio.BaseProtocol:
        """What the loop gives the next accepted connection to."""
        if self._fast_lane is not None:
            return self._fast_lane(self)
        return ClientStream(self.inbox, self._accept, self._loop)

    def hand_over(self, transport: asyncio.Transport, unread: bytes, *, ended: bool) -> None:
        """Let the ASGI lane go on with a connection of the fast lane's.

        Args:
            unread: bytes that came and were not taken.
            ended: whether the client has ended its side.
        """
        stream = ClientStream(self.inbox, self._serve, self._loop)
        transport.set_protocol(stream)
        stream.connection_made(transport)
        if unread:
            stream.data_received(unread)
        if ended:
            stream.eof_received()

    def _accept(self, client: ClientStream) -> None:
        """Serve a connection, or answer 503 if there are too many."""
        if self.full:
            self.observe(Unread(TOO_MANY_CONNECTIONS.kind.code))
            client.writer.write(refuse_raw(TOO_MANY_CONNECTIONS, str(uuid4()), time()))
            client.writer.transport.close()
        else:
            self._serve(client)

    def _serve(self, client: ClientStream) -> None:
        connection = Connection(self.shared, client)
        self.keep(connection, connection.run())

    def keep(self, connection: Live, running: Coroutine[None, None, None]) -> None:
        """Keep a connection of the ASGI lane for as long as it runs."""
        task = self._loop.create_task(running)
        self.connections.add(connection)
        self.tasks.add(task)

        def over(_: object) -> None:
            self.connections.discard(connection)
            self.tasks.discard(task)

        task.add_done_callback(over)
