"""What a worker knows: changed keys alone are read again, and nothing known is ever out of date."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import count

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from edge.functions import Function
from edge.gate.decide import decide
from edge.gate.decisions import Decision, Forward, GateSettings, Refuse
from edge.state import view
from edge.state.view import StoreUnavailable, WorkerView
from tests.support.asking import GOOD, NOW, TOKENS, function, head, secret_of
from tokens.database import Changes
from tokens.model import Token
from tokens.secret import digest

Keys = tuple[tuple[str, str], ...]
BOUND = 5


class MemorySource:
    """A store in memory: writes raise the generation, as the real ones do; reads are counted."""

    def __init__(self) -> None:
        self.generation = 0
        self.rows: dict[str, Function] = {}
        self.tokens: dict[bytes, Token] = {}
        self.changes: list[tuple[int, str, str]] = []
        self.known_from = 0
        self.broken = False
        self.reads: list[tuple[str, object]] = []
        self.published: Callable[[], int] = lambda: self.generation

    def put(self, *functions: Function) -> None:
        self.generation += 1
        for found in functions:
            self.rows[found.slug] = found
            self.changes.append((self.generation, "function", found.slug))

    def delete(self, slug: str) -> None:
        self.generation += 1
        del self.rows[slug]
        self.changes.append((self.generation, "function", slug))

    def write(self, secret: str, token: Token) -> None:
        self.generation += 1
        self.tokens[digest(secret)] = token
        self.changes.append((self.generation, "token", digest(secret).hex()))

    def forget_changes(self) -> None:
        self.known_from = self.generation

    def _read(self, what: str, key: object) -> None:
        if self.broken:
            raise StoreUnavailable
        self.reads.append((what, key))

    def changes_since(self, generation: int) -> Changes:
        self._read("changes", generation)
        if generation < self.known_from:
            return Changes(self.generation, None)
        keys = [(kind, key) for at, kind, key in self.changes if at > generation]
        return Changes(self.generation, tuple(dict.fromkeys(keys)))

    def function(self, slug: str) -> Function | None:
        self._read("function", slug)
        return self.rows.get(slug)

    def functions(self, known: Mapping[str, Function]) -> list[Function]:
        self._read("functions", frozenset(known))
        return list(self.rows.values())

    def token(self, sha256: bytes) -> Token | None:
        self._read("token", sha256)
        return self.tokens.get(sha256)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def at_once(look: Callable[[bytes], Token | None], key: bytes) -> Token | None:
    await anyio.lowlevel.checkpoint()
    return look(key)


class Halted:
    """Runs look-ups only once they are let go: before or after they have read the store."""

    def __init__(self, *, read_first: bool = False) -> None:
        self.read_first = read_first
        self.begun = anyio.Event()
        self.go = anyio.Event()
        self.running = 0
        self.most = 0

    async def __call__(self, look: Callable[[bytes], Token | None], key: bytes) -> Token | None:
        self.running += 1
        self.most = max(self.most, self.running)
        found = look(key) if self.read_first else None
        self.begun.set()
        await self.go.wait()
        self.running -= 1
        return found if self.read_first else look(key)


Run = Callable[[Callable[[bytes], Token | None], bytes], Awaitable[Token | None]]


def worker(
    source: MemorySource, run: Run = at_once, clock: Clock | None = None
) -> tuple[WorkerView, list[Keys | None]]:
    """A view that has caught up, and what it tells of changes from then on."""
    heard: list[Keys | None] = []
    made = WorkerView(source, clock or Clock(), run, heard.append)
    made.catch_up()
    heard.clear()
    source.reads.clear()
    return made, heard


def shop(*hosts: str, public: bool = False) -> Function:
    return function(hosts=hosts, public=public)


def test_a_new_worker_loads_every_function() -> None:
    source = MemorySource()
    source.put(shop("a.example"), function("other"))
    source.forget_changes()
    made, _ = worker(source)
    assert {found.slug for found in made.functions()} == {"shop", "other"}
    assert made.by_slug("shop") == source.rows["shop"]
    assert made.by_host("a.example") == source.rows["shop"]
    assert made.by_host("b.example") is None
    assert made.by_slug("gone") is None


def test_nothing_is_read_while_nothing_changes() -> None:
    source = MemorySource()
    source.put(shop())
    made, heard = worker(source)
    assert made.is_current()
    made.catch_up()
    assert made.by_slug("shop") is not None
    assert source.reads == []
    assert heard == []


def test_only_what_changed_is_read_again() -> None:
    source = MemorySource()
    source.put(shop(), function("other"))
    made, heard = worker(source)
    source.put(shop(public=True))
    assert not made.is_current()
    made.catch_up()
    assert source.reads == [("changes", 1), ("function", "shop")]
    assert heard == [(("function", "shop"),)]
    assert made.by_slug("shop") == source.rows["shop"]


def test_a_worker_that_is_too_far_behind_loads_everything_and_forgets_every_token() -> None:
    source = MemorySource()
    source.put(shop("a.example"))
    source.write(GOOD, TOKENS[GOOD])
    made, heard = worker(source)
    anyio.run(made.look_up, digest(GOOD))
    assert made.token(digest(GOOD)) == TOKENS[GOOD]
    source.delete("shop")
    source.put(function("other"))
    source.forget_changes()
    made.catch_up()
    assert heard == [None]
    assert [found.slug for found in made.functions()] == ["other"]
    assert made.by_host("a.example") is None
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


def test_a_host_moves_from_one_function_to_another_in_either_order() -> None:
    for slugs in (("taker", "shop"), ("shop", "taker")):
        source = MemorySource()
        source.put(shop("a.example", "b.example"), function("taker"))
        made, _ = worker(source)
        changed = {
            "taker": function("taker", hosts=("a.example",)),
            "shop": function(hosts=("b.example",)),
        }
        source.put(*(changed[slug] for slug in slugs))
        made.catch_up()
        for host, slug in (("a.example", "taker"), ("b.example", "shop")):
            found = made.by_host(host)
            assert found is not None
            assert found.slug == slug


def test_a_deleted_function_is_gone_with_its_hosts_and_may_return_without_them() -> None:
    source = MemorySource()
    source.put(shop("a.example"))
    made, _ = worker(source)
    source.delete("shop")
    made.catch_up()
    assert made.by_slug("shop") is None
    assert made.by_host("a.example") is None
    assert made.functions() == []
    source.put(shop())
    made.catch_up()
    assert made.by_slug("shop") is not None
    assert made.by_host("a.example") is None


async def test_a_token_is_fetched_once_and_known_from_then_on() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source)
    with pytest.raises(KeyError):
        made.token(digest(GOOD))
    await made.look_up(digest(GOOD))
    assert made.token(digest(GOOD)) == TOKENS[GOOD]
    assert made.token(digest(GOOD)) == TOKENS[GOOD]
    assert source.reads == [("token", digest(GOOD))]


async def test_a_token_that_is_not_there_is_remembered_as_such_until_it_is_made() -> None:
    source = MemorySource()
    made, _ = worker(source)
    await made.look_up(digest(GOOD))
    assert made.token(digest(GOOD)) is None
    source.write(GOOD, TOKENS[GOOD])
    made.catch_up()
    with pytest.raises(KeyError):
        made.token(digest(GOOD))
    await made.look_up(digest(GOOD))
    assert made.token(digest(GOOD)) == TOKENS[GOOD]


async def test_a_change_of_one_token_leaves_the_others_known() -> None:
    source = MemorySource()
    other = secret_of("o")
    source.write(GOOD, TOKENS[GOOD])
    source.write(other, TOKENS[GOOD])
    made, _ = worker(source)
    await made.look_up(digest(GOOD))
    await made.look_up(digest(other))
    source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW))
    made.catch_up()
    assert made.token(digest(other)) == TOKENS[GOOD]
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


async def test_equal_look_ups_at_the_same_time_are_one() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    halted = Halted()
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            for _ in range(20):
                askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            halted.go.set()
    assert source.reads == [("token", digest(GOOD))]


async def test_an_asker_who_leaves_takes_the_look_up_from_nobody() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    halted = Halted()
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as stayers:
            async with anyio.create_task_group() as leavers:
                leavers.start_soon(made.look_up, digest(GOOD))
                await halted.begun.wait()
                stayers.start_soon(made.look_up, digest(GOOD))
                await anyio.lowlevel.checkpoint()
                leavers.cancel_scope.cancel()
            halted.go.set()
    assert made.token(digest(GOOD)) == TOKENS[GOOD]


async def test_look_ups_at_the_same_time_are_bounded() -> None:
    source = MemorySource()
    halted = Halted()
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            for number in range(view.MAX_LOOKUPS * 2):
                askers.start_soon(made.look_up, digest(f"{number}"))
            await halted.begun.wait()
            await anyio.sleep(0.01)
            halted.go.set()
    assert halted.most == view.MAX_LOOKUPS


@pytest.mark.parametrize("read_first", [False, True])
async def test_a_look_up_that_a_change_overtook_is_not_kept(read_first: bool) -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    halted = Halted(read_first=read_first)
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW))
            made.catch_up()
            halted.go.set()
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


async def test_a_look_up_that_a_change_of_something_else_overtook_is_kept() -> None:
    source, halted = MemorySource(), Halted(read_first=True)
    source.put(shop())
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            source.write(secret_of("o"), TOKENS[GOOD])
            source.put(shop(public=True))
            made.catch_up()
            halted.go.set()
    assert made.token(digest(GOOD)) == TOKENS[GOOD]
    assert source.reads.count(("token", digest(GOOD))) == 1


async def test_a_look_up_that_a_change_of_everything_overtook_is_not_kept() -> None:
    source, halted = MemorySource(), Halted(read_first=True)
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW))
            source.forget_changes()
            made.catch_up()
            halted.go.set()
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


async def test_a_look_up_that_read_before_a_change_is_undone_by_it() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    halted = Halted(read_first=True)
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW))
            halted.go.set()
    assert not made.is_current()
    made.catch_up()
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


async def test_an_asker_at_the_very_end_of_an_overtaken_look_up_gets_one_of_its_own() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    late: list[asyncio.Task[Token | None]] = []

    async def ask() -> Token | None:
        await made.look_up(digest(GOOD))
        return made.token(digest(GOOD))

    async def run(look: Callable[[bytes], Token | None], key: bytes) -> Token | None:
        if not late:
            source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW))
            made.catch_up()
            late.append(asyncio.create_task(ask()))  # runs once this look-up is over, first of all
        return look(key)

    made, _ = worker(source, run)
    with anyio.fail_after(BOUND):
        await made.look_up(digest(GOOD))
        found = await late[0]
    assert found is not None
    assert found.revoked == NOW


async def test_a_look_up_that_a_change_overtook_is_no_miss_either() -> None:
    source = MemorySource()
    halted = Halted(read_first=True)
    made, _ = worker(source, halted)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            askers.start_soon(made.look_up, digest(GOOD))
            await halted.begun.wait()
            source.write(GOOD, TOKENS[GOOD])
            made.catch_up()
            halted.go.set()
    with pytest.raises(KeyError):
        made.token(digest(GOOD))


async def test_tokens_in_memory_are_bounded_and_the_least_used_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view, "MAX_TOKENS", 3)
    source = MemorySource()
    keys = [digest(secret) for secret in "abcd"]
    source.tokens = dict.fromkeys(keys, TOKENS[GOOD])
    made, _ = worker(source)
    for key in keys[:3]:
        await made.look_up(key)
    assert made.token(keys[0]) is not None
    await made.look_up(keys[3])
    with pytest.raises(KeyError):
        made.token(keys[1])
    assert all(made.token(key) is not None for key in (keys[0], keys[2], keys[3]))


async def test_a_flood_of_made_up_tokens_is_bounded_and_pushes_no_real_one_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view, "MAX_MISSES", 10)
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source)
    await made.look_up(digest(GOOD))
    flood = [digest(f"{number}") for number in range(50)]
    for key in flood:
        await made.look_up(key)
    assert made.token(digest(GOOD)) == TOKENS[GOOD]
    assert made.token(flood[-1]) is None
    with pytest.raises(KeyError):
        made.token(flood[0])


async def test_memory_stays_bounded_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "MAX_TOKENS", 200)
    monkeypatch.setattr(view, "MAX_MISSES", 100)
    source = MemorySource()
    good = [digest(f"good {number}") for number in range(1000)]
    source.tokens = dict.fromkeys(good, TOKENS[GOOD])
    made, _ = worker(source)
    for key in good:
        await made.look_up(key)
        await made.look_up(digest(key.hex()))

    def known(keys: list[bytes]) -> int:
        return sum(is_known(made, key) for key in keys)

    assert known(good) == 200
    assert known(good[-200:]) == 200
    assert known([digest(key.hex()) for key in good]) == 100
    assert len(source.reads) == 2000


def is_known(made: WorkerView, key: bytes) -> bool:
    """Whether a digest can be judged without asking the store."""
    try:
        made.token(key)
    except KeyError:
        return False
    return True


# A store that cannot be read


def test_a_change_that_cannot_be_read_makes_what_is_known_worthless_until_it_can() -> None:
    source, clock = MemorySource(), Clock()
    source.put(shop())
    made, heard = worker(source, clock=clock)
    source.broken = True
    made.catch_up()  # nothing has changed: what is known holds
    source.put(shop(public=True))
    with pytest.raises(StoreUnavailable):
        made.catch_up()
    assert not made.is_current()
    source.broken = False
    with pytest.raises(StoreUnavailable):
        made.catch_up()  # not tried again at once
    clock.now += 0.1
    made.catch_up()
    assert made.is_current()
    assert made.by_slug("shop") == source.rows["shop"]
    assert heard == [(("function", "shop"),)]


def test_a_store_that_breaks_amid_a_change_leaves_the_worker_behind() -> None:
    source, clock = MemorySource(), Clock()
    source.put(shop("a.example"), function("other"))
    made, heard = worker(source, clock=clock)
    source.put(function("other", public=True), shop("b.example"))
    whole = source.function

    def breaking(slug: str) -> Function | None:
        if slug == "shop":
            raise StoreUnavailable
        return whole(slug)

    source.function = breaking  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        made.catch_up()
    assert not made.is_current()
    assert heard == []
    source.function = whole  # type: ignore[method-assign]
    clock.now += 0.1
    made.catch_up()
    assert made.by_host("b.example") == source.rows["shop"]
    assert made.by_host("a.example") is None


def test_what_follows_a_change_and_fails_is_done_again_before_anything_is_decided() -> None:
    source, told, clock = MemorySource(), list[Keys | None](), count()

    def follow(keys: Keys | None) -> None:
        told.append(keys)
        if len(told) == 1:
            raise StoreUnavailable

    worker = WorkerView(source, lambda: float(next(clock)), anyio.to_thread.run_sync, follow)
    source.put(function())
    with pytest.raises(StoreUnavailable):
        worker.catch_up()
    assert not worker.is_current()
    worker.catch_up()
    assert worker.is_current()
    assert told[0] == told[1]


async def test_a_look_up_in_a_broken_store_fails_for_every_asker_and_may_be_tried_again() -> None:
    source = MemorySource()
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source)
    source.broken = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await made.look_up(digest(GOOD))
    with pytest.raises(KeyError):
        made.token(digest(GOOD))
    source.broken = False
    await made.look_up(digest(GOOD))
    assert made.token(digest(GOOD)) == TOKENS[GOOD]


# Together with the gate


async def decided(made: WorkerView) -> Decision:
    """A decision as the door makes it."""
    made.catch_up()
    asked, settings = head(token=GOOD), GateSettings()
    decision = decide(made, asked, NOW, settings)
    while not isinstance(decision, Forward | Refuse):
        await made.look_up(digest(GOOD))
        made.catch_up()
        decision = decide(made, asked, NOW, settings)
    return decision


async def test_what_a_store_takes_back_is_refused_on_the_very_next_decision() -> None:
    source = MemorySource()
    source.put(shop())
    source.write(GOOD, TOKENS[GOOD])
    made, _ = worker(source)
    for _ in range(3):
        assert isinstance(await decided(made), Forward)
        source.write(GOOD, replace(TOKENS[GOOD], revoked=NOW - 1))
        assert isinstance(await decided(made), Refuse)
        source.write(GOOD, TOKENS[GOOD])
    assert isinstance(await decided(made), Forward)
    source.delete("shop")
    assert isinstance(await decided(made), Refuse)
