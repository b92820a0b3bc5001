"""What one case of the lanes' corpus says: bytes in, answers out, what the function saw. Data only.

A case is sent to both lanes. Each must do what the case says, and both must do the same. Tokens and
addresses, which differ from edge to edge, stand in it as placeholders of the same length.
"""

from dataclasses import dataclass, field
from typing import Literal

Pairs = tuple[tuple[str, str], ...]
How = Literal["none", "length", "chunked", "close"]
Then = Literal["keep", "close", "reset", "silence"]
After = Literal["open", "closed", "reset", "gone", "silent"]
Lane = Literal["fast", "asgi", "either"]
Feed = Literal["whole", "lines", "odd", "bytes"] | tuple[int, ...]
"""How bytes are cut into packets: by name, or sizes that are taken in turns."""

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def token(name: str = "default", slug: str = "shop") -> str:
    """Where the token of this name stands; as long as a token is."""
    return f"<{slug}/{name}>".center(45, "~")


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as a client sees it.

    Attributes:
        fields: in lower case, sorted by name, what differs from run to run masked.
        body: of an error of the edge, its code alone where it is what a case expects.
        how: what ended the body.
        whole: whether that end came.
        interim: statuses of interim answers before it.
    """

    status: int
    fields: Pairs
    body: bytes = b""
    how: How = "length"
    whole: bool = True
    interim: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A whole request as the function saw it."""

    method: str
    target: str
    fields: Pairs
    body: bytes = b""
    how: How = "none"


@dataclass(frozen=True, slots=True)
class Act:
    """What the function does with one request.

    Attributes:
        send: pieces, each in a packet of its own.
        then: with the connection, afterwards.
        early: whether it answers at the head, and reads the body only then.
        patient: whether it waits for the client to have the answer's head before the last piece.
    """

    send: tuple[bytes, ...] = (OK,)
    then: Then = "keep"
    early: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One exchange on a connection of its own.

    Attributes:
        sent: bytes; of several pieces, each is sent once one more answer has come, interim ones
            counted.
        answers: what must come back, in order.
        received: what the function must have seen whole, in order.
        partial: whether requests may have begun there that never became whole.
        acts: what it does with each request; it answers `OK` to those beyond.
        after: what becomes of the connection then; `gone` is closed or reset.
        lane: which one shall serve it where both are there; `asgi`: from its first request on.
        eof: whether the client ends its side behind its last byte.
        world: which edge it is for.
    """

    name: str
    sent: bytes | tuple[bytes, ...]
    answers: tuple[Answered, ...]
    received: tuple[Received, ...] = ()
    partial: bool = False
    acts: tuple[Act, ...] = ()
    after: After = "open"
    lane: Lane = "fast"
    eof: bool = False
    world: str = "plain"

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What is sent."""
        return (self.sent,) if isinstance(self.sent, bytes) else self.sent


@dataclass(frozen=True, slots=True)
class Observed:
    """What one lane did with a case.

    Two are equal if client and function could not tell them apart. Whether a request that never
    became whole had begun at the function is chance: it depends on what connection was at hand.

    Attributes:
        received: requests that came whole.
        partial: how many others had begun.
        fast: answers that the fast lane has given.
        handed_over: connections that it gave away.
    """

    answers: tuple[Answered, ...]
    after: After
    received: tuple[Received, ...]
    partial: int = field(default=0, compare=False)
    fast: int = field(default=0, compare=False)
    handed_over: int = field(default=0, compare=False)
