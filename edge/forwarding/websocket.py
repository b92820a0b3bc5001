"""The upstream end of a WebSocket (RFC 6455) that is relayed message by message.

The bytes of the upstream's tunnel become messages and back. Not here: the client's end, which is
the server's; the handshake (`opening`).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from edge.forwarding.tunnel import Tunnel

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes or characters of one message that is put together."""

_UNSENDABLE_CODES = frozenset({1005, 1006, 1015})
"""Close codes that are never on the wire (RFC 6455 §7.4.1)."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The other end closed; `code` as on the wire."""

    code: int
    reason: str


class UpstreamSocket:
    """Messages to and from an upstream over its tunnel."""

    def __init__(self, tunnel: Tunnel) -> None:
        self._tunnel = tunnel
        self._protocol = Connection(ConnectionType.CLIENT)

    async def send(self, message: str | bytes) -> None:
        """Send one message; waits while the upstream does not take it."""
        if isinstance(message, str):
            await self._write(TextMessage(data=message))
        else:
            await self._write(BytesMessage(data=message))

    async def close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake (RFC 6455 §7.1.2)."""
        await self._write(CloseConnection(1000 if code in _UNSENDABLE_CODES else code, reason))

    async def messages(self) -> AsyncIterator[str | bytes | Closed]:
        """What the upstream sends, `Closed` last; pings are answered here."""
        whole: list[str | bytes] = []
        while True:
            try:
                for event in self._protocol.events():
                    if isinstance(event, TextMessage | BytesMessage):
                        message = _joined(whole, event)
                        if message is not None:
                            yield message
                    elif isinstance(event, Ping):
                        await self._write(Pong(event.payload))
                    elif isinstance(event, CloseConnection):
                        await self._write(event.response())
                        yield Closed(int(event.code), event.reason or "")
                        return
            except (RemoteProtocolError, _TooBig):
                yield Closed(1002, "")
                return
            data = await self._tunnel.read()
            if not data:
                yield Closed(1006, "")
                return
            self._protocol.receive_data(data)

    async def _write(self, event: Event) -> None:
        try:
            data = self._protocol.send(event)
        except LocalProtocolError:
            return  # it is closing already; nothing may follow a close frame
        await self._tunnel.write(data)


class _TooBig(Exception):
    """A message is over `MAX_MESSAGE`."""


def _joined(whole: list[str | bytes], event: TextMessage | BytesMessage) -> str | bytes | None:
    """The message once its last fragment has come; `whole` holds those before it."""
    whole.append(event.data if isinstance(event.data, str) else bytes(event.data))
    if sum(map(len, whole)) > MAX_MESSAGE:
        raise _TooBig
    if not event.message_finished:
        return None
    text = [part for part in whole if isinstance(part, str)]
    data = [part for part in whole if not isinstance(part, str)]
    is_text = isinstance(event, TextMessage)
    whole.clear()
    return "".join(text) if is_text else b"".join(data)
