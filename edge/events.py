"""What happens to requests and their connections: a closed set of values. Pure.

Call sites say what happened, nothing else; what becomes of it, observers decide (`edge.observe`).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

LaneName = Literal["fast", "asgi"]


class Finished(NamedTuple):
    """A request is over: answered, broken off, or given up by its client.

    Attributes:
        function: the slug of the one that was asked, `edge` for the edge's own `/mcp`, empty for
            none.
        status: of the answer that was begun; 0 if none was.
        code: of the edge's error that was answered (docs/errors.md), empty for none.
        whole: whether the answer was sent to its end.
        seconds: from the request's head to the answer's end.
    """

    function: str
    status: int
    code: str
    lane: LaneName
    whole: bool
    seconds: float


class Unread(NamedTuple):
    """What came could not be taken for a request, and ended its connection.

    Attributes:
        code: of the error that was answered.
    """

    code: str


class CutOff(NamedTuple):
    """A connection was ended for what its client did, without an answer.

    Attributes:
        why: `flood`: frames that ask for nothing; `slow_reader`: took no byte of what waited for
            it.
    """

    why: Literal["flood", "slow_reader"]


Event = Finished | Unread | CutOff
Observe = Callable[[Event], None]


def unobserved(event: Event) -> None:
    """What observes nothing: connections of the management API are nobody's traffic."""
