"""The vocabulary of HTTP messages inside the edge: values, nothing that reads or writes them.

Header names are lower case on every lane; values are the bytes that were on the wire, without
surrounding white space. Order and repetition are kept (RFC 9110 §5.3).
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

Headers = tuple[tuple[bytes, bytes], ...]


class Fields(Headers):
    """Header fields with an index: a look-up does not go through all of them.

    Attributes:
        by_name: the first value of each field.
        repeated: whether any field stands more than once.
    """

    by_name: dict[bytes, bytes]
    repeated: bool

    @classmethod
    def of(cls, pairs: Sequence[tuple[bytes, bytes]]) -> Self:
        """Fields in this order; names in lower case."""
        fields = cls(pairs)
        fields.by_name = dict(reversed(pairs))
        fields.repeated = len(fields.by_name) != len(pairs)
        return fields


Scheme = Literal["http", "https"]

Body = AsyncIterator[bytes]
"""Pieces of a message body, none empty, none over 64 KiB."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection.

    Attributes:
        address: the IP address as text; empty for a Unix socket.
        scheme: how the connection came in, before any trusted proxy is believed.
    """

    address: str
    scheme: Scheme


@dataclass(frozen=True, slots=True)
class Head:
    """A request head (RFC 9112 §3, RFC 9113 §8.3) as the gate reads it.

    Attributes:
        method: as sent; methods are case-sensitive (RFC 9110 §9.1).
        target: the raw request target, never decoded.
        headers: as sent, names in lower case; over HTTP/2 `:authority` stands as `host`.
        version: `1.0`, `1.1`, `2` or `3`.
        websocket: whether this opens a WebSocket (RFC 6455, or RFC 8441 over HTTP/2).
    """

    method: str
    target: bytes
    headers: Headers
    version: str
    peer: Peer
    websocket: bool = False


class Ids(NamedTuple):
    """What names one request.

    Attributes:
        request_id, traceparent: the caller's or fresh ones; where the request is traced, the
            second names the edge's own span.
        continued: whether the trace is the caller's, whose `tracestate` then goes on.
        traced: whether the edge records a span.
        parent: the caller's span, 16 hexadecimal digits, if the trace is continued and recorded.
    """

    request_id: bytes
    traceparent: bytes
    continued: bool
    traced: bool = False
    parent: bytes = b""


def values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """Every value of one field, in order; `name` in lower case."""
    if isinstance(headers, Fields):
        value = headers.by_name.get(name)
        if value is None:
            return []
        if not headers.repeated:
            return [value]
    return [value for key, value in headers if key == name]


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of one field, or None; `name` in lower case."""
    if isinstance(headers, Fields):
        return headers.by_name.get(name)
    for key, value in headers:
        if key == name:
            return value
    return None


def only(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a field that stands once, or None; `name` in lower case."""
    if isinstance(headers, Fields) and not headers.repeated:
        return headers.by_name.get(name)
    found = None
    for key, value in headers:
        if key == name:
            if found is not None:
                return None
            found = value
    return found


def split_list(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The members of a comma-separated field (RFC 9110 §5.6.1), stripped, empty ones left out."""
    sent = values(headers, name)
    if not sent:
        return []
    members = (member.strip(b" \t") for value in sent for member in value.split(b","))
    return [member for member in members if member]
