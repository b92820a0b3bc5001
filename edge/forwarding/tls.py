"""A connection to an upstream over TLS (RFC 8446), on the `ssl` module's own state machine.

asyncio's TLS transport is not used: it cannot tell the end of a stream from a cut one
(RFC 8446 §6.1), loses bytes that a paused reader had not taken when the peer closes, and holds
more than a connection here may. Contexts, and so what is trusted, are `connect`'s business.
"""

import asyncio
import ssl
from collections.abc import Hashable
from contextlib import suppress

from edge.forwarding.connection import Connection, Owner
from edge.forwarding.wire import PIECE


class Session:
    """A client's TLS state, between bytes on the wire and bytes of the application."""

    __slots__ = ("incoming", "machine", "outgoing")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        """Raises ValueError if it is no possible name."""
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.machine = context.wrap_bio(self.incoming, self.outgoing, server_hostname=server_name)


class TlsConnection(Connection):
    """A connection whose handler sees what is inside TLS.

    Attributes:
        shaken: done when the handshake is; an `OSError` (`ssl.SSLError` is one) if it failed.
    """

    __slots__ = ("_session", "shaken")

    def __init__(
        self, owner: Owner, key: Hashable, loop: asyncio.AbstractEventLoop, session: Session
    ) -> None:
        super().__init__(owner, key, loop)
        self._session = session
        self.shaken: asyncio.Future[None] = loop.create_future()

    def write(self, data: bytes) -> None:
        """See `Connection.write`."""
        if self.closing:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._session.machine.write(rest) :]
        except ssl.SSLError:
            self.cut()
        self._flush()

    def close(self) -> None:
        """Say goodbye (close_notify), and close once everything written has gone."""
        if not self.closing:
            with suppress(ssl.SSLError):  # it wants the peer's goodbye, which nobody waits for
                self._session.machine.unwrap()
            self._flush()
        super().close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        super().connection_made(transport)
        self._shake()

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`; without a goodbye before it, the stream was cut."""
        self._lose(in_order=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._refuse(ConnectionResetError("closed within the TLS handshake"))
        super().connection_lost(exc)

    def _take(self, data: memoryview | bytes) -> None:
        self._session.incoming.write(data)
        if not self.shaken.done():
            self._shake()
        if self.shaken.done():
            self._read()
        self._flush()

    def _shake(self) -> None:
        try:
            self._session.machine.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._flush()  # the alert that says why
            self._refuse(error)
            self.close()
        else:
            self.shaken.set_result(None)
        self._flush()

    def _refuse(self, error: OSError) -> None:
        if not self.shaken.done():
            self.shaken.set_exception(error)
            self.shaken.exception()  # whoever waited may have left without looking

    def _read(self) -> None:
        while not self.closed:
            try:
                piece = self._session.machine.read(PIECE)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLError:
                self.cut()
                return
            if piece:
                super()._take(piece)
            else:
                self._lose(in_order=True)
                self.close()

    def _flush(self) -> None:
        if self._session.outgoing.pending:
            super().write(self._session.outgoing.read())
