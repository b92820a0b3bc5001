"""What changes amid the traffic, and what dies, each with its times."""

import asyncio
import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import inf
from pathlib import Path
from time import monotonic
from typing import TypeVar

from edge.admin.errors import RETRYABLE, AdminError
from edge.admin.token_operations import NewToken
from tests.load.echoing import Echoing
from tests.load.history import NEVER, History, Life, Token
from tests.load.load import FLAKY, SHOP
from tests.support.origin import serving
from tests.support.whole_edge import Edge
from tests.support.whole_processes import eventually
from tokens import secret

BUSY = 60.0
"""Seconds in which a worker is replaced however busy the machine is."""

CLOCK = 0.02
"""Seconds by which the store's clock and ours may differ."""

SCOPES = ((), (), ("http",), ("mcp",))
ENDS = (None, None, None, 2.0)
OVERLAPS = (0, 0.5)
FEW, MANY = 4, 12
"""Tokens that are good at one time."""

T = TypeVar("T")


@dataclass
class Tokens:
    """The tokens of the function, and of others that callers try.

    Attributes:
        good: those that nothing has ended yet.
        ended: some that were good.
        strangers: what never was a token of the function.
        every: all that were ever made.
        undecided: names of tokens that may have been made without an acknowledgement.
        acknowledged: event and subject of each change, as the audit trail has them.
    """

    edge: Edge
    dice: random.Random
    flaky: Token
    acknowledged: list[tuple[str, str]]
    good: list[Token] = field(default_factory=list)
    ended: deque[Token] = field(default_factory=lambda: deque(maxlen=5))
    strangers: list[Token] = field(default_factory=list)
    every: list[Token] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        """Gather the strangers."""
        made_up = secret.mint(os.urandom)
        wrong = made_up[:-1] + ("1" if made_up[-1] == "0" else "0")
        known = {"foreign": self.flaky.secret, "made up": made_up, "malformed": wrong, "none": ""}
        self.strangers = [
            Token(name, NEVER, text, self.flaky.id if name == "foreign" else "")
            for name, text in known.items()
        ]

    def pick(self, function: str) -> Token:
        """A token as a caller might have it."""
        if function == FLAKY:
            return self.flaky
        chance = self.dice.random()
        if chance < 0.1:
            return self.dice.choice(self.strangers)
        if chance < 0.25 and self.ended:
            return self.dice.choice(self.ended)
        return self.dice.choice(self.good)

    async def change(self) -> None:
        """Make a token, rotate one or end one."""
        now = monotonic()
        for token in [token for token in self.good if token.life.ended < now]:
            self._end(token)
        lasting = [token for token in self.good if token.life.end_asked == inf]
        if len(self.good) < FEW or (len(self.good) < MANY and self.dice.random() < 0.5):
            await self.create()
        elif lasting and self.dice.random() < 0.5:
            await self.rotate(self.dice.choice(lasting), self.dice.choice(OVERLAPS))
        elif lasting:
            await self.revoke(self.dice.choice(lasting))

    async def create(self) -> None:
        """Make a token."""
        name, asked = f"token-{next(self._numbers)}", monotonic()
        scopes, ends = self.dice.choice(SCOPES), self.dice.choice(ENDS)
        create = partial(self.edge.operations.create_token, scopes=scopes, expires_in=ends)
        await self._made("token.created", name, asked, partial(create, SHOP, name))

    async def rotate(self, old: Token, overlap: float) -> None:
        """Replace a token's secret; the old one lives on for a while."""
        asked = monotonic()
        old.life.end(asked + overlap - CLOCK)
        rotate = partial(self.edge.operations.rotate_token, SHOP, old.id, overlap)
        new = await self._made("token.rotated", old.name, asked, rotate)
        if new is None:
            await self.revoke(old)
            return
        new.replaced = old
        if overlap:
            old.life.ended = monotonic() + overlap + CLOCK
        else:
            old.life.ended = monotonic()
            self._end(old)

    async def revoke(self, token: Token) -> None:
        """End a token, and those that it was rotated in for."""
        asked, lineage = monotonic(), [*lineage_of(token)]
        for each in lineage:
            each.life.end(asked)
        revoke = partial(self.edge.operations.revoke_token, SHOP, token.id)
        if await until_acknowledged(revoke) is not None:
            self.acknowledged.append(("token.revoked", token.id))
        for each in lineage:
            each.life.end(asked, monotonic())
        self._end(token)

    async def _made(
        self, event: str, name: str, asked: float, make: Callable[[], NewToken]
    ) -> Token | None:
        try:
            made = await asyncio.to_thread(make)
        except AdminError as error:
            if error.code not in RETRYABLE:
                raise
            self.undecided.add(name)
            return None
        token = Token(name, Life(asked, monotonic()), made.token, made.id, *made.scopes)
        if made.expires is not None:
            ends = made.expires - time.time() + monotonic()
            token.life.end_asked, token.life.ended = ends - CLOCK, ends + CLOCK
        self.good.append(token)
        self.every.append(token)
        self.acknowledged.append((event, token.id))
        return token

    def _end(self, token: Token) -> None:
        self.good.remove(token)
        self.ended.append(token)


def lineage_of(token: Token | None) -> Iterator[Token]:
    """A token, and those that it was rotated in for."""
    while token is not None:
        yield token
        token = token.replaced


@dataclass
class Deployments:
    """What the function is: one upstream or the other, in versions that can return.

    Attributes:
        made: the tools of each version, as `History.deployments` names them.
    """

    edge: Edge
    dice: random.Random
    history: History
    upstreams: tuple[str, ...]
    acknowledged: list[tuple[str, str]]
    made: dict[str, str] = field(default_factory=dict)
    live: str = ""
    _life: Life = field(default_factory=Life)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def last(self) -> list[str]:
        """The last ones made, which are there to go back to."""
        return [*self.made][-10:]

    async def change(self) -> None:
        """Deploy or roll back."""
        earlier = [each for each in self.last if each != self.live]
        if earlier and self.dice.random() < 0.3:
            await self._roll_back(self.dice.choice(earlier))
        else:
            await self._deploy()

    async def _deploy(self) -> None:
        number, asked = next(self._numbers), monotonic()
        url = self.upstreams[number % len(self.upstreams)]
        deploy = partial(self.edge.deploy, SHOP, url, timeout=20_000 + number)
        result = await until_acknowledged(deploy)
        self.made[result.id] = " ".join(sorted(tool.name for tool in result.tools))
        self._switch("deployment.created", result.id, asked)

    async def _roll_back(self, earlier: str) -> None:
        asked = monotonic()
        await until_acknowledged(partial(self.edge.operations.rollback, SHOP, earlier))
        self._switch("deployment.rolled_back", earlier, asked)

    def _switch(self, event: str, live: str, asked: float) -> None:
        now = monotonic()
        self._life.end_asked, self._life.ended = asked, now
        self._life = Life(asked, now)
        for key in (live, self.made[live]):
            self.history.deployments[key].append(self._life)
        self.live = live
        self.acknowledged.append((event, live))


async def until_acknowledged(change: Callable[[], T]) -> T | None:
    """Ask for a change until it is made; None if it was, though nobody acknowledged that."""
    while True:
        try:
            return await asyncio.to_thread(change)
        except AdminError as error:
            if error.code == "NOT_FOUND":
                return None
            if error.code not in RETRYABLE:
                raise


async def kill_a_worker(edge: Edge, history: History, dice: random.Random) -> None:
    """SIGKILL a worker, and wait until it is replaced."""
    life = Life(monotonic())
    history.kills.append(life)
    workers = edge.workers

    def replaced() -> bool:
        with suppress(OSError):  # one ends while it is looked at
            return len(set(edge.workers) - set(workers)) == 1
        return False

    os.kill(dice.choice(workers), signal.SIGKILL)
    await asyncio.to_thread(eventually, replaced, "the worker is replaced", BUSY)
    life.ended = monotonic()


async def comes_and_goes(
    function: Echoing, path: Path, history: History, up: float, down: float
) -> None:
    """Serve a function that dies again and again, until cancelled."""
    outage = Life()
    while True:
        async with serving(function, path=path):
            outage.ended = monotonic()
            await asyncio.sleep(up)
            outage = Life(monotonic())
            history.outages[FLAKY].append(outage)
        await asyncio.sleep(down)
