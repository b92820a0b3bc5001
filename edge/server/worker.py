"""One worker: serves the app on sockets that it was given, until it is told to end.

Not here: what becomes of an accepted connection (`acceptor`), processes and binding (`supervisor`,
`sockets`).
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from edge.config import Config
from edge.events import Observe, unobserved
from edge.server import http3
from edge.server.acceptor import Acceptor, FastLane, Live
from edge.server.certificates import Certificates
from edge.server.http3 import Endpoint
from edge.server.hypercorn_connection import App, State, service
from edge.server.stream import PIECE
from edge.state.peers import Peers

LOG = logging.getLogger("edge.server")


class Served(Protocol):
    """What a worker serves.

    Attributes:
        app: the public ASGI app.
        fast_lane: what public connections begin on, or None.
        local_admin: the one on the data directory's socket.
        remote_admin: the one on the admin address.
        state: its `draining` is set when a drain begins, `succeeded` too if another edge goes on.
        observe: told of what happens on public connections.
        end_streams: called then, so that streams without an end find one.
        running: what has to run while the apps are served; if it does not start, nothing is.
    """

    @property
    def app(self) -> App: ...

    @property
    def fast_lane(self) -> FastLane | None: ...

    @property
    def local_admin(self) -> App: ...

    @property
    def remote_admin(self) -> App: ...

    @property
    def state(self) -> State: ...

    @property
    def observe(self) -> Observe: ...

    @property
    def end_streams(self) -> Callable[[], None]: ...

    @property
    def running(self) -> Callable[[], AbstractAsyncContextManager[None]]: ...


Factory = Callable[[Config, Sequence[str], Peers], Served]
"""Makes what one worker serves from the settings, the bound addresses and the other workers."""

BACKLOG = 1024
ACCEPTED_AT_ONCE = 32
"""Connections taken per wake-up; a worker that drained its whole queue would starve the others."""

LOOK = 1.0
"""Seconds between two looks at the certificate files."""

_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets by what is served on them; `datagrams` are those of HTTP/3."""

    public: Sequence[socket.socket] = ()
    local_admin: Sequence[socket.socket] = ()
    remote_admin: Sequence[socket.socket] = ()
    datagrams: Sequence[socket.socket] = ()


class Server:
    """A worker at work: its app, its listening sockets and its connections."""

    def __init__(self, config: Config, served: Served) -> None:
        """Nothing listens yet. Raises CertificateError."""
        self._config = config
        self._served = served
        inbox = memoryview(bytearray(PIECE))
        of = partial(service, config=config, state=served.state)
        public = of(served.app, observe=served.observe, advertises=config.http3)
        self._public = Acceptor(public, inbox, served.fast_lane)
        self._local_admin = Acceptor(of(served.local_admin, observe=unobserved), inbox)
        self._remote_admin = Acceptor(of(served.remote_admin, observe=unobserved), inbox)
        self._servers: list[asyncio.Server] = []
        self._certificates = Certificates(config) if config.certfile is not None else None
        self._endpoint: Endpoint | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def connections(self) -> list[Live]:
        """Every connection that has not ended."""
        return [connection for acceptor in self._acceptors for connection in acceptor.connections]

    @property
    def _acceptors(self) -> tuple[Acceptor, Acceptor, Acceptor]:
        return self._public, self._local_admin, self._remote_admin

    async def start(self, listeners: Listeners) -> None:
        """Accept."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
        front = self._certificates
        groups = (
            (self._public, listeners.public, front.public if front else None),
            (self._local_admin, listeners.local_admin, None),
            (self._remote_admin, listeners.remote_admin, front.admin if front else None),
        )
        for acceptor, sockets, tls in groups:
            for sock in sockets:
                await self._listen(acceptor, sock, tls)
        self._endpoint = http3.listen(self._config, self._public, listeners.datagrams)
        if front is not None and self._endpoint is not None:
            front.renewed = self._endpoint.renew

    def reload_certificates(self) -> None:
        """Read the certificate files anew, if there are any; connections go on as they are."""
        if self._certificates is not None:
            self._certificates.reload()

    async def drain(self, *, succeeded: bool = False) -> None:
        """Let requests finish, at most `drain_timeout`, then end everything.

        Connections are accepted while requests are in flight, so that nobody waits in a queue that
        no one will serve: the app answers them as it does when draining.

        Args:
            succeeded: another edge accepts on the same sockets: accept no more, and answer what
                still comes on open connections, so that no client notices.
        """
        self._served.state.succeeded = succeeded
        self._served.state.draining = True
        if succeeded:
            self._stop_accepting()
        if self._endpoint is not None:
            self._endpoint.begin_drain(succeeded=succeeded)
        self._served.end_streams()
        for connection in self.connections:
            connection.begin_drain(succeeded=succeeded)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.drain_timeout):
                await self._until(lambda: not any(c.busy or succeeded for c in self.connections))
        await self._close()

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()

    async def _close(self) -> None:
        self._stop_accepting()
        for connection in self.connections:
            connection.close_unless_busy()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds_for_goodbye()):
                await self._until(lambda: not self.connections)
        await self._cut_off()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        if self._sweeper is not None:
            self._sweeper.cancel()

    def _seconds_for_goodbye(self) -> float:
        return 0.0 if any(c.busy for c in self.connections) else 1.0

    async def _cut_off(self) -> None:
        tasks = [task for acceptor in self._acceptors for task in acceptor.tasks]
        for connection in self.connections:
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(
        self, acceptor: Acceptor, sock: socket.socket, tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        over_tls = tls if sock.family != socket.AF_UNIX else None
        server = await loop.create_server(
            acceptor.protocol,
            sock=sock,
            ssl=over_tls,
            ssl_handshake_timeout=self._config.head_timeout if over_tls else None,
            backlog=ACCEPTED_AT_ONCE,
        )
        sock.listen(BACKLOG)
        self._servers.append(server)

    async def _sweep(self) -> None:
        limits = self._config
        shortest = min(limits.head_timeout, limits.keep_alive, limits.slow_reader, 1.0)
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            await asyncio.sleep(max(0.02, shortest / 4))
            now = loop.time()
            for connection in self.connections:
                connection.sweep(now)
            if self._certificates is not None and now - looked >= LOOK:
                self._certificates.look()
                looked = now

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():  # noqa: ASYNC110 — it depends on many connections at once
            await asyncio.sleep(_POLL)


async def serve(
    served: Served,
    config: Config,
    listeners: Listeners,
    *,
    stop: Awaitable[bool],
    ready: Callable[[Server], None],
) -> None:
    """Run a worker: start, call `ready`, wait for `stop`, drain.

    Args:
        stop: whether another edge goes on with what comes.

    What `running` raises ends the worker, at its start and later.
    """
    async with served.running():
        server = Server(config, served)
        await server.start(listeners)
        ready(server)
        await server.drain(succeeded=await stop)
