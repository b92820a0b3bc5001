"""What callers of every kind share: the way to the edge, and how they write down what they did."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

from tests.load.echoing import payload
from tests.load.history import Exchange, Fate, History, Stream, Token
from tests.support.doors import Doors

BROKEN = (OSError, EOFError)
"""What a client meets whose connection breaks, or says nothing for too long."""

SHOP, FLAKY = "shop", "flaky"
SIZES = (1, 200, 200, 5_000)
LARGE = (60_000, 200_000)


@dataclass(frozen=True)
class Door(Doors):
    """Where an edge listens, as an `McpClient` opens it."""

    port: int


@dataclass(frozen=True)
class Asked:
    """A request that is being made; the attributes are those of an `Exchange`."""

    nonce: str
    size: int
    kind: str
    function: str
    token: Token
    alive: float
    granted: int
    begun: float = field(default_factory=monotonic)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The token, where there is one."""
        return [("x-jelou-token", self.token.secret)] if self.token.secret else []

    @property
    def host(self) -> str:
        """Where the function is."""
        return f"{self.function}.fn.localhost"

    def target(self, path: str = "/echo") -> str:
        """The way to ask without a body."""
        return f"{path}?nonce={self.nonce}&size={self.size}"

    @property
    def body(self) -> dict[str, str]:
        """The way to ask with one."""
        return {"nonce": self.nonce, "payload": payload(self.nonce, self.size)}

    def understood(self, value: Any) -> tuple[str, frozenset[str]]:
        """What the function's answer is about, and which deployment gave it."""
        whole = value["payload"] == payload(self.nonce, self.size)
        said = value["nonce"] if whole else f"not the whole of {value['nonce']}"
        return said, frozenset([value["deployment"]])


@dataclass
class Load:
    """All that callers of one edge know.

    Attributes:
        pick: a token for a function, as one might have it now.
        pace: seconds for which a caller rests after a request, on average.
        hold: seconds for which a stream is held at most.
        over: whether callers shall stop.
    """

    door: Door
    history: History
    pick: Callable[[str], Token]
    pace: float
    hold: float
    dice: random.Random
    over: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: count(1000))

    def ask(
        self,
        kind: str,
        alive: float,
        function: str = SHOP,
        *,
        sizes: tuple[int, ...] = SIZES,
        right: str = "http",
        granted: int = 200,
        token: Token | None = None,
    ) -> Asked:
        """Begin a request with this token or some; `right` is what it needs."""
        token = token or self.pick(function)
        status = granted if token.scope in ("", right) else 403
        nonce, size = f"n{next(self._numbers)}", self.dice.choice(sizes)
        return Asked(nonce, size, kind, function, token, alive, status)

    def note(
        self,
        asked: Asked,
        status: int | None,
        got: str = "",
        deployments: frozenset[str] = frozenset(),
        *,
        fate: Fate | None = None,
    ) -> None:
        """Write down what came of it; no status, and it broke."""
        self.history.exchanges.append(
            Exchange(
                nonce=asked.nonce,
                kind=asked.kind,
                function=asked.function,
                token=asked.token,
                alive=asked.alive,
                begun=asked.begun,
                ended=monotonic(),
                fate=fate or ("broken" if status is None else "answered"),
                status=status or 0,
                granted=asked.granted,
                got=got,
                deployments=deployments,
                repeats=asked.kind == "GET",
            )
        )

    def note_stream(self, asked: Asked, fate: Fate, wrong: str = "") -> None:
        """Write down the end of a stream."""
        stream = Stream(asked.kind, asked.token, asked.begun, monotonic(), fate, wrong)
        self.history.streams.append(stream)

    def until(self) -> float:
        """When a client ends the stream that it opens now."""
        return monotonic() + self.dice.uniform(0, self.hold)

    async def rest(self) -> None:
        """A pause between two requests."""
        await asyncio.sleep(self.dice.expovariate(1 / self.pace))
