"""What an HTTP/2 client sends, and what is right to come back (RFC 9113): the words of the cases.

Where the RFC lets a server choose, every choice is right: a stream error may be one of the
connection (§5.4.2), a malformed request may be answered with 400 (§8.1.1).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.http2_frames import (
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    frame,
    literal,
)

PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 1, 2, 3, 5, 6
CANCEL, COMPRESSION_ERROR = 8, 9


@dataclass
class Seen:
    """What came back on a connection.

    Attributes:
        goaway: the code of the first GOAWAY that names an error.
        resets: the code of each reset stream.
        statuses: the status of each answered stream.
        sizes: the sizes of the DATA frames of each stream.
        ended: streams that ended as they should.
        pongs: what acknowledged PINGs carried.
        acknowledged: SETTINGS that were.
        over: whether the connection has ended.
    """

    goaway: int | None = None
    resets: dict[int, int] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, list[int]] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    pongs: list[bytes] = field(default_factory=list)
    acknowledged: int = 0
    over: bool = False


Outcome = Callable[[Seen], bool]


class Case(NamedTuple):
    """Bytes to send, a stream whose answer is waited for before the rest, and what is right."""

    sent: bytes
    outcome: Outcome
    then: bytes = b""
    after: int = 0


def connection(*codes: int) -> Outcome:
    """The connection ends in an error of such a code."""
    return lambda seen: seen.goaway in codes and seen.over


def stream(number: int, *codes: int) -> Outcome:
    """The stream does, or the connection."""
    return lambda seen: seen.resets.get(number) in codes or connection(*codes)(seen)


def malformed(seen: Seen) -> bool:
    """The request on stream 1 is refused."""
    return stream(1, PROTOCOL_ERROR)(seen) or seen.statuses.get(1) == "400"


def answered(*numbers: int) -> Outcome:
    """The streams are answered, and the connection lives."""

    def outcome(seen: Seen) -> bool:
        good = all(seen.statuses.get(number) == "200" for number in numbers)
        return good and seen.ended >= set(numbers) and b"at last." in seen.pongs

    return outcome


def ignored_or_answered(seen: Seen) -> bool:
    """The request is answered, or refused for what came with it."""
    return answered(1)(seen) or malformed(seen)


def sized(number: int, *sizes: int) -> Outcome:
    """The answer begins with DATA frames of these sizes."""
    return lambda seen: tuple(seen.sizes.get(number, [])[: len(sizes)]) == sizes


# --- requests -----------------------------------------------------------------------------------

AT_ONCE, HELD = b"/shop/hello", b"/shop/hold"
TWO_GIB = 2**31 - 1


def block(
    path: bytes = AT_ONCE,
    *more: tuple[bytes, bytes],
    method: bytes = b"GET",
    without: bytes = b"",
) -> bytes:
    """A request's head; `more` stands behind it."""
    pseudo = [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", b"127.0.0.1"),
        (b":path", path),
    ]
    return b"".join(literal(*one) for one in [*pseudo, *more] if one[0] != without)


def head(number: int, fields: bytes | None = None, flags: int = END_HEADERS | END_STREAM) -> bytes:
    """HEADERS of a whole request, unless the flags say otherwise."""
    return frame(HEADERS, number, block() if fields is None else fields, flags)


def open_post(*more: tuple[bytes, bytes], path: bytes = AT_ONCE) -> bytes:
    """HEADERS of a request on stream 1 whose body is still to come."""
    return head(1, block(path, *more, method=b"POST"), END_HEADERS)


def with_field(name: bytes, value: bytes) -> bytes:
    """A whole request with one field more."""
    return head(1, block(AT_ONCE, (name, value)))


def with_raw(representation: bytes) -> bytes:
    """A whole request with one more field, in any of HPACK's representations (RFC 7541 §6)."""
    return head(1, block() + representation)


PING_AT_LAST = frame(PING, 0, b"at last.")
WINDOW = 4
