"""What happened under load, with times, and which of it was not allowed. Pure.

Times are of one monotonic clock. A change is *asked for* and later *acknowledged*; in between it
may have happened or not. So a request that began after the acknowledgement has to see the change,
one that ended before it was asked for must not, and any other may.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Literal, Self

OUTLIVES = 5.0
"""Seconds within which a stream ends after its token: the one promised, on a busy machine."""

COMES_BACK = 10.0
"""Seconds after which a function that is back is asked again; it is left alone for 8 at most."""

Fate = Literal["answered", "broken", "left"]
"""How a request ended: with a whole answer, with none, or with its client."""


@dataclass(slots=True)
class Life:
    """From when to when something was so; as it is written down, its end may still be to come."""

    asked: float = -inf
    made: float = -inf
    end_asked: float = inf
    ended: float = inf

    def end(self, asked: float, acknowledged: float = inf) -> None:
        """A change ends it, if nothing has before."""
        self.end_asked = min(self.end_asked, asked)
        self.ended = min(self.ended, acknowledged)

    def may(self, begun: float, ended: float) -> bool:
        """Whether it may have been so at some moment of this time."""
        return begun <= self.ended and self.asked <= ended

    def must(self, begun: float, ended: float) -> bool:
        """Whether it was so all this time, beyond doubt."""
        return self.made <= begun and ended < self.end_asked


NEVER = Life(inf, inf, -inf, -inf)


@dataclass(slots=True)
class Token:
    """A token of the function's, or something that never was one.

    Attributes:
        id: as the edge calls it; empty for what it does not know.
        scope: what it may do; empty for everything.
        replaced: the one that it was rotated in for.
    """

    name: str
    life: Life
    secret: str = field(default="", repr=False)
    id: str = ""
    scope: str = ""
    replaced: Self | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what came of it.

    Attributes:
        nonce: what no other request says.
        alive: when its connection was last seen to be; that of a worker killed later is broken.
        granted: the status where its token is good.
        got: the nonce that the answer is about, and nothing else; empty for a refusal.
        deployments: those that give this answer, by id or by the names of their tools; empty
            where any does.
        repeats: whether it may reach the function twice, if that broke the first time.
    """

    nonce: str
    kind: str
    function: str
    token: Token
    alive: float
    begun: float
    ended: float
    fate: Fate = "answered"
    status: int = 0
    granted: int = 200
    got: str = ""
    deployments: frozenset[str] = frozenset()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """An open stream, and its end.

    Attributes:
        wrong: what came that should not have, or nothing.
        fate: `left` if the client ended it.
    """

    kind: str
    token: Token
    begun: float
    ended: float
    fate: Fate
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as the function has seen it."""

    nonce: str
    token: str


@dataclass
class History:
    """All that happened.

    Attributes:
        deployments: when each was live, by id, and when any with the same tools, by their names.
        kills: when each worker that was killed may have died.
        outages: by function, when each was down.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    deployments: dict[str, list[Life]] = field(default_factory=lambda: defaultdict(list))
    kills: list[Life] = field(default_factory=list)
    outages: dict[str, list[Life]] = field(default_factory=lambda: defaultdict(list))

    def faults(self) -> list[str]:
        """What was not allowed."""
        return [*self._of_exchanges(), *self._of_streams(), *self._of_arrivals()]

    def _of_exchanges(self) -> Iterator[str]:
        for each in self.exchanges:
            fault = self._of_answer(each) if each.fate == "answered" else self._of_break(each)
            if fault:
                yield f"{fault}: {each}"

    def _of_answer(self, each: Exchange) -> str:
        life = each.token.life
        if each.status == each.granted:
            if not life.may(each.begun, each.ended):
                return "let in without a right"
            if each.status < 300 and each.got != each.nonce:
                return "another answer than to what was asked"
            if each.deployments and not self._may_be_live(each):
                return "answered by a deployment that was not live"
            return ""
        if each.status == 401:
            return "refused with a right" if life.must(each.begun, each.ended) else ""
        if each.status in (502, 503) and self._was_down(each) and life.may(each.begun, each.ended):
            return ""
        return "an answer for which there is no reason"

    def _of_break(self, each: Exchange) -> str:
        if each.fate == "left" or self._was_killed(each.alive, each.ended) or self._was_down(each):
            return ""
        return "broken without a reason"

    def _of_streams(self) -> Iterator[str]:
        for each in self.streams:
            life = each.token.life
            over = life.end_asked <= each.ended
            if each.wrong:
                yield f"wrong in a stream: {each}"
            elif each.ended > life.ended + OUTLIVES:
                yield f"a stream outlived its token: {each}"
            elif not (each.fate == "left" or over or self._was_killed(each.begun, each.ended)):
                yield f"a stream ended without a reason: {each}"

    def _of_arrivals(self) -> Iterator[str]:
        asked = {each.nonce: each for each in self.exchanges}
        for (nonce, token), times in Counter((a.nonce, a.token) for a in self.arrivals).items():
            each = asked.get(nonce)
            if each is None:
                yield f"nobody asked what reached the function: {nonce}"
            elif token != each.token.id:
                yield f"reached the function in the name of {token}: {each}"
            elif not self._may_arrive(each):
                yield f"reached the function without a right: {each}"
            elif times > 1 + (each.repeats and self._was_down(each)):
                yield f"reached the function {times} times: {each}"

    def _may_arrive(self, each: Exchange) -> bool:
        life = each.token.life
        return each.granted != 403 and each.status != 401 and life.may(each.begun, inf)

    def _may_be_live(self, each: Exchange) -> bool:
        lives = (life for id_ in each.deployments for life in self.deployments.get(id_, ()))
        return any(life.may(each.begun, each.ended) for life in lives)

    def _was_killed(self, begun: float, ended: float) -> bool:
        return any(life.may(begun, ended) for life in self.kills)

    def _was_down(self, each: Exchange) -> bool:
        lives = self.outages.get(each.function, ())
        return any(life.may(each.begun - COMES_BACK, each.ended) for life in lives)
