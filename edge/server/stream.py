"""The accepted connection as a reader and a writer that hold little and tell when the client goes.

Not here: what is read. `asyncio.start_server` is not used because its transports hand over up to
256 KiB at once, and because a reader that nobody reads tells nobody that its client has left.
"""

import asyncio
from collections.abc import Callable
from typing import cast

PIECE = 32 * 1024
"""Most bytes read at once; at most three such pieces wait to be read."""

Accepted = Callable[["ClientStream"], None]


class ClientStream(asyncio.BufferedProtocol, asyncio.StreamReaderProtocol):
    """A stream protocol that reads into one buffer shared by the worker.

    Attributes:
        on_eof: called when the client will send no more.
        on_lost: called when the connection is over.
    """

    def __init__(
        self, buffer: memoryview, accepted: Accepted, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.reader = asyncio.StreamReader(limit=PIECE, loop=loop)
        super().__init__(self.reader, loop=loop)
        self.transport: asyncio.Transport
        self.writer: asyncio.StreamWriter
        self.on_eof: Callable[[], None] = _ignore
        self.on_lost: Callable[[], None] = _ignore
        self._buffer = buffer
        self._accepted = accepted
        self._event_loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wrap the transport and hand the connection over."""
        super().connection_made(transport)
        self.transport = transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        transport.set_write_buffer_limits(high=2 * PIECE)
        self.writer = asyncio.StreamWriter(transport, self, self.reader, self._event_loop)
        self._accepted(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The worker's buffer: it is emptied before the loop reads anything else."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes were read."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> bool | None:
        """The client ended its side; TLS connections end with it, others stay half open."""
        open_ = asyncio.StreamReaderProtocol.eof_received(self)
        self.on_eof()
        return open_

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        super().connection_lost(exc)
        self.on_lost()


def _ignore() -> None:
    """Before anybody listens."""
