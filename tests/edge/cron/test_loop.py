"""Which ticks fire, and how often: several processes, crashes, downtime, clocks that jump."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from edge.cron.presence import Presence
from edge.cron.schedule import schedules
from edge.cron.store import CronStore, Due, Ended, Stale
from edge.registry.sqlite import SqliteRegistry
from tests.support import origin
from tests.support.cron_rig import Clock, FastClock, Receiver, process, unix, until
from tokens.database import Database
from tokens.errors import StoreError
from tokens.generation import WriterLock

NINE = "0 9 * * *"
MINUTES = "* * * * *"


async def test_a_schedule_fires_at_its_ticks_and_at_no_other_time(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, "*/5 9 * * *")
        for second in range(0, 720, 45):
            await clock.set(unix("2026-01-05 08:59:50") + second)
            await edge.ended(len(edge.runs()))
        assert edge.ticks() == ["01-05 09:00", "01-05 09:05", "01-05 09:10"]
    assert len(function.seen) == 3


@pytest.mark.parametrize(
    ("zone", "expression", "instants", "expected"),
    [
        (
            "America/New_York",
            "30 2 * * *",
            ["2026-03-08 06:59:59", "2026-03-08 07:00:00", "2026-03-08 07:30:00"],
            ["03-08 07:00"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            ["2026-11-01 05:29:59", "2026-11-01 05:30:00", "2026-11-01 06:30:00"],
            ["11-01 05:30"],
        ),
        (
            "Europe/London",
            "30 1 * * *",
            ["2026-10-25 00:29:59", "2026-10-25 00:30:00", "2026-10-25 01:30:00"],
            ["10-25 00:30"],
        ),
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            ["2026-10-03 15:29:59", "2026-10-03 15:30:00", "2026-10-03 15:45:00"],
            ["10-03 15:30"],
        ),
        (
            "America/Guayaquil",
            "0 9 * * *",
            ["2026-03-08 13:59:59", "2026-03-08 14:00:00", "2026-03-08 15:00:00"],
            ["03-08 14:00"],
        ),
    ],
)
async def test_clocks_that_change_lose_no_tick_and_repeat_none(
    tmp_path: Path, zone: str, expression: str, instants: list[str], expected: list[str]
) -> None:
    clock, function = Clock(unix(instants[0]) - 3600), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, {"expression": expression, "timezone": zone})
        for instant in instants:
            await clock.set(instant)
            await edge.ended(len(edge.runs()))
        assert edge.ticks() == expected
    assert len(function.seen) == 1


async def test_ten_schedules_of_a_function_and_its_tools_each_fire(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    own = [{"expression": NINE, "name": f"own-{n}"} for n in range(5)]
    theirs = [{"expression": NINE, "name": f"tool-{n}"} for n in range(5)]
    tools = {"report": {"method": "POST", "path": "/report", "config": {"cron": theirs}}}
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, *own, tools=tools)
        await clock.set("2026-01-05 09:00:00")
        runs = await edge.ended(10)
    assert sorted(run.name for run in runs) == sorted(one["name"] for one in own + theirs)
    assert {run.state for run in runs} == {"ok"}
    assert sorted(seen.target for seen in function.seen) == [b"/"] * 5 + [b"/report"] * 5


async def test_two_equal_schedules_are_two(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE, NINE)
        await clock.set("2026-01-05 09:00:00")
        await edge.ended(2)
    assert len(function.seen) == 2


async def test_processes_on_one_store_fire_each_tick_once(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with (
        origin.serving(function.behave) as at,
        process(tmp_path, clock) as edge,
        process(tmp_path, clock),
        process(tmp_path, clock),
    ):
        edge.deploy(at.upstream, *[{"expression": MINUTES, "name": f"n{n}"} for n in range(5)])
        for minute in range(6):
            await clock.set(unix("2026-01-05 09:00:00") + 60 * minute, loops=3)
            await edge.ended(5 * (minute + 1))
        runs = edge.runs()
    which = [(run.name, run.tick) for run in runs]
    assert len(set(which)) == len(which) == 30
    assert len(function.seen) == 30


async def test_a_run_that_goes_on_lets_the_next_be_skipped(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with (
        origin.serving(function.behave) as at,
        process(tmp_path, clock) as edge,
        process(tmp_path, clock),
    ):
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:00:00", loops=2)
        await function.came(1)
        await clock.set("2026-01-05 09:01:00", loops=2)
        assert [run.state for run in edge.runs()] == ["running", "skipped"]
        function.open.set()
        await edge.ended(2)
        await clock.set("2026-01-05 09:02:00", loops=2)
        runs = await edge.ended(3)
    assert [run.state for run in runs] == ["ok", "skipped", "ok"]
    assert len(function.seen) == 2


async def test_a_schedule_may_allow_runs_beside_each_other(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, {"expression": MINUTES, "overlap": "allow"})
        await clock.set("2026-01-05 09:00:00")
        await clock.set("2026-01-05 09:01:00")
        await function.came(2)
        function.open.set()
        runs = await edge.ended(2)
    assert [run.state for run in runs] == ["ok", "ok"]


async def test_one_schedule_that_goes_on_keeps_no_other_from_firing(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, {"expression": NINE, "name": "a"}, {"expression": MINUTES})
        await clock.set("2026-01-05 09:00:00")
        await function.came(2)
        function.open.set()
        await edge.ended(2)


@pytest.mark.parametrize(
    ("grace", "late", "fires"),
    [
        (None, 59, True),
        (None, 60, False),
        (None, 61, False),
        ("5m", 299, True),
        ("5m", 301, False),
        (0, 1, False),
    ],
)
async def test_a_tick_missed_while_nobody_was_there_fires_within_its_grace(
    tmp_path: Path, grace: object, late: int, fires: bool
) -> None:
    clock, function = Clock(), Receiver()
    schedule = {"expression": NINE} | ({} if grace is None else {"grace": grace})
    async with origin.serving(function.behave) as at:
        async with process(tmp_path, clock) as edge:
            edge.deploy(at.upstream, schedule)
            await clock.asleep()
        clock.sleeping = 0
        clock.now = unix("2026-01-05 09:00:00") + late
        async with process(tmp_path, clock) as edge:
            await clock.asleep()
            await edge.ended(int(fires))
            assert edge.ticks() == ["01-05 09:00"] * fires
    assert len(function.seen) == int(fires)


async def test_a_tick_that_fired_before_a_restart_does_not_fire_after_it(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at:
        async with process(tmp_path, clock) as edge:
            edge.deploy(at.upstream, NINE)
            await clock.set("2026-01-05 09:00:00")
            await edge.ended(1)
        clock.sleeping = 0
        async with process(tmp_path, clock) as edge:
            await clock.set("2026-01-05 09:00:30")
            assert edge.ticks() == ["01-05 09:00"]
    assert len(function.seen) == 1


async def test_a_schedule_has_no_ticks_from_before_its_deploy(tmp_path: Path) -> None:
    clock, function = Clock(unix("2026-01-05 09:00:20")), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE)
        await clock.set("2026-01-05 09:00:21")
        assert edge.runs() == []
        await clock.set("2026-01-06 09:00:00")
        await edge.ended(1)


async def test_a_redeploy_changes_schedules_at_once_and_keeps_those_it_leaves(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, {"expression": NINE, "name": "old"}, "0 9 * * MON")
        await clock.set("2026-01-05 08:59:59")
        edge.deploy(at.upstream, "0 9 * * MON", {"expression": "1 9 * * *", "name": "new"})
        await clock.set("2026-01-05 09:00:00")
        await edge.ended(1)
        edge.deploy(at.upstream, "0 9 * * MON", {"expression": "1 9 * * *", "name": "new"}, NINE)
        await clock.set("2026-01-05 09:01:00")
        runs = await edge.ended(2)
    assert [(run.expression, run.name) for run in runs] == [
        ("0 9 * * MON", ""),
        ("1 9 * * *", "new"),
    ]


async def test_a_deleted_function_fires_no_more_and_leaves_nothing_to_the_next(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:00:00")
        await edge.ended(1)
        before = edge.secrets.of("shop", clock())
        edge.delete()
        await clock.set("2026-01-05 09:01:00")
        await clock.set("2026-01-05 09:01:10")
        assert edge.runs() == []
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:01:20")
        assert edge.runs() == []
        await clock.set("2026-01-05 09:02:00")
        await edge.ended(1)
        assert edge.secrets.of("shop", clock()) != before
    assert len(function.seen) == 2


async def test_what_changes_between_a_look_and_a_claim_is_seen(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, NINE)
        await clock.asleep()
        generation = edge.database.generation()
        found = edge.registry.function("shop")
        assert found is not None
        edge.delete()
        due = [(Due(schedules(found)[0], int(unix("2026-01-05 09:00:00"))), found)]
        with pytest.raises(Stale):
            edge.firing.claim(due, generation)
        assert edge.runs() == []
        rows = edge.database.rows("SELECT count(*) FROM signing_secrets")
        assert rows == [(0,)]


@pytest.mark.parametrize("days", [2, 4000])
async def test_a_clock_that_jumps_ahead_and_back_fires_nothing_twice_and_goes_on(
    tmp_path: Path, days: int
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:00:00")
        await edge.ended(1)
        await clock.set(unix("2026-01-05 09:00:20") + days * 86400)
        jumped = len(await edge.ended(len(edge.runs())))
        assert jumped <= 3
        await clock.set("2026-01-05 09:00:40")
        assert len(edge.runs()) == jumped
        await clock.set("2026-01-05 09:01:00")
        await edge.ended(jumped + 1)
        assert edge.ticks()[-1] == "01-05 09:01"
        ticks = [run.tick for run in edge.runs()]
    assert len(set(ticks)) == len(ticks)


async def test_runs_are_kept_in_bounds_and_what_is_not_kept_does_not_fire_again(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock, kept=3) as edge:
        edge.deploy(at.upstream, {"expression": MINUTES, "grace": "1h"})
        for minute in range(8):
            await clock.set(unix("2026-01-05 09:00:00") + 60 * minute)
            await edge.ended(min(minute + 1, 3))
        assert edge.ticks() == ["01-05 09:05", "01-05 09:06", "01-05 09:07"]
        clock.sleeping = 0
        async with process(tmp_path, clock, kept=3):  # which looks an hour back
            await clock.asleep(1)
            assert edge.ticks() == ["01-05 09:05", "01-05 09:06", "01-05 09:07"]
    assert len(function.seen) == 8


async def test_workers_are_not_disturbed_by_runs(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, MINUTES)
        await clock.asleep()
        generation = edge.database.generation()
        for minute in range(3):
            await clock.set(unix("2026-01-05 09:00:00") + 60 * minute)
            await edge.ended(minute + 1)
        assert edge.database.generation() == generation == edge.database.mirror.read()


async def test_a_tick_that_cannot_be_claimed_is_when_the_store_can_be_written_again(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    async with (
        origin.serving(function.behave) as at,
        process(tmp_path, clock, patience=0.05) as edge,
    ):
        edge.deploy(at.upstream, {"expression": NINE, "grace": 0}, {"expression": MINUTES})
        await clock.asleep()
        lock = WriterLock(tmp_path / "edge.lock")
        with lock.held(5) as held:
            assert held
            await clock.set("2026-01-05 09:00:00")
            assert edge.runs() == []
        lock.close()
        await clock.set("2026-01-05 09:00:01")
        await edge.ended(2)
        await clock.set("2026-01-05 09:00:02")
        assert edge.ticks() == ["01-05 09:00", "01-05 09:00"]
    assert len(function.seen) == 2


class TriedStore(CronStore):
    """Knows whether it could not write down what became of a run."""

    failed = False

    def end(self, run: str, ended: Ended) -> None:
        try:
            super().end(run, ended)
        except StoreError:
            self.failed = True
            raise


async def test_what_became_of_a_run_is_written_down_once_the_store_can_be_written(
    tmp_path: Path,
) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with (
        origin.serving(function.behave) as at,
        process(tmp_path, clock, patience=0.05) as edge,
    ):
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:00:00")
        await function.came(1)
        edge.firing.store = tried = TriedStore(edge.database, os.urandom, 1000)
        lock = WriterLock(tmp_path / "edge.lock")
        with lock.held(5):
            function.open.set()
            await until(lambda: tried.failed)
            assert [run.state for run in edge.runs()] == ["running"]
        lock.close()
        (run,) = await edge.ended(1)
    assert (run.state, run.status) == ("ok", 200)


CRASHING = """
import os, sys, time
from pathlib import Path
from edge.cron.presence import Presence
from edge.cron.schedule import schedules
from edge.cron.store import CronStore, Due
from edge.registry.sqlite import SqliteRegistry
from tokens.database import Database

directory, tick = Path(sys.argv[1]), int(sys.argv[2])
database = Database.open(directory)
function = SqliteRegistry(database, os.urandom).function("shop")
presence = Presence(directory, os.urandom)
with presence.held():
    store = CronStore(database, os.urandom, 1000)
    due = [Due(schedules(function)[0], tick)]
    print(len(store.claim(due, float(tick), database.generation(), presence.id)), flush=True)
    time.sleep(60)
"""


def claiming(directory: Path, tick: int) -> "subprocess.Popen[str]":
    """A process that claims a tick and then carries it out for ever."""
    command = [sys.executable, "-c", CRASHING, str(directory), str(tick)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def lock_files(directory: Path) -> list[Path]:
    """Files by which processes say that they are there."""
    return list(directory.glob("cron-*.lock"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_run_cut_by_a_crash_is_unknown_and_never_sent_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    clock, function = Clock(), Receiver()
    nine = unix("2026-01-05 09:00:00")
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, MINUTES)
        await clock.asleep()
        other = claiming(tmp_path, int(nine))
        try:
            assert other.stdout is not None
            assert await anyio.to_thread.run_sync(other.stdout.readline) == "1\n"
            # It is alive: its run is running, and the schedule's next is skipped.
            await clock.set(nine)
            assert [run.state for run in edge.runs()] == ["running"]
        finally:
            other.send_signal(number)
            other.wait()
            other.stdout.close()
        assert [run.state for run in edge.runs()] == ["unknown"]
        await clock.set(nine + 20)
        assert edge.ticks() == ["01-05 09:00"]
        await clock.set(nine + 60)
        runs = await edge.ended(2)
    assert [run.state for run in runs] == ["unknown", "ok"]
    assert len(function.seen) == 1
    assert not lock_files(tmp_path)


async def test_a_run_that_is_cut_off_as_its_process_ends_is_unknown(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with origin.serving(function.behave) as at:
        async with process(tmp_path, clock) as edge:
            edge.deploy(at.upstream, MINUTES)
            await clock.set("2026-01-05 09:00:00")
            await function.came(1)
        clock.sleeping = 0
        async with process(tmp_path, clock, looping=False) as edge:
            (run,) = edge.runs()
    assert (run.state, run.ended is not None) == ("unknown", True)


async def test_a_run_under_way_may_end_before_its_process_does(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, MINUTES)
        await clock.set("2026-01-05 09:00:00")
        await function.came(1)
        edge.firing.begin_drain()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(edge.firing.drained)
            function.open.set()
        (run,) = edge.runs()
    assert run.state == "ok"


async def test_whoever_asks_for_a_run_gets_one_unless_one_is_going(tmp_path: Path) -> None:
    clock, function = Clock(), Receiver()
    function.close()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, {"expression": NINE, "name": "daily"})
        found = edge.registry.function("shop")
        assert found is not None
        key = schedules(found)[0].key
        first = await anyio.to_thread.run_sync(edge.fire_now, "shop", key)
        await function.came(1)
        second = await anyio.to_thread.run_sync(edge.fire_now, "shop", key)
        function.open.set()
        runs = await edge.ended(2)
        assert await anyio.to_thread.run_sync(edge.fire_now, "shop", "other") is None
        assert await anyio.to_thread.run_sync(edge.fire_now, "gone", key) is None
    assert [(run.id, run.manual, run.tick, run.state) for run in runs] == [
        (first, True, None, "ok"),
        (second, True, None, "skipped"),
    ]


def test_the_files_of_killed_processes_do_not_pile_up(tmp_path: Path) -> None:
    names = itertools.count()
    for _ in range(5):
        path = tmp_path / f"cron-{next(names):016x}.lock"
        path.touch()
        os.utime(path, (0, 0))
    with Presence(tmp_path, os.urandom).held():
        assert len(lock_files(tmp_path)) == 1
    assert not lock_files(tmp_path)


def test_the_store_is_opened_as_it_was_left(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database.open(tmp_path, create=True)
        SqliteRegistry(database, os.urandom)
        assert CronStore(database, os.urandom, 10).runs("shop", None, 10) == []
        database.close()


@contextmanager
def firing(directory: Path, clock: FastClock) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that fires schedules."""
    numbers = [str(number) for number in (clock.start, clock.origin, clock.speed)]
    command = [sys.executable, "-m", "tests.support.cron_process", str(directory), *numbers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as made:
        try:
            assert made.stdout is not None
            assert made.stdout.readline() == "ready\n"
            yield made
        finally:
            made.kill()


async def test_of_processes_on_one_store_each_tick_is_one_s_also_when_one_is_killed(
    tmp_path: Path,
) -> None:
    function = Receiver()
    clock = FastClock(unix("2026-01-05 08:59:00"), time.time(), speed=200.0)
    async with (
        origin.serving(function.behave) as at,
        process(tmp_path, clock, looping=False) as edge,
    ):
        edge.deploy(at.upstream, *[{"expression": MINUTES, "name": f"n{n}"} for n in range(3)])
        with anyio.fail_after(25), ExitStack() as stack:
            starting = [firing(tmp_path, clock) for _ in range(2)]
            first, _ = [
                await anyio.to_thread.run_sync(stack.enter_context, one) for one in starting
            ]
            await function.came(12)
            first.kill()
            first.wait()
            killed = int(clock())
            await until(lambda: any((run.tick or 0) > killed + 180 for run in edge.runs()))
        runs = edge.runs()
    which = [(run.name, run.tick) for run in runs]
    assert len(set(which)) == len(which)
    sent = [seen.values(b"x-jelou-cron-run")[0].decode() for seen in function.seen]
    assert len(set(sent)) == len(sent)
    assert set(sent) <= {run.id for run in runs}
    ticks = sorted({run.tick or 0 for run in runs})
    assert ticks == list(range(ticks[0], ticks[-1] + 60, 60))  # none was left out
    assert len({run.name for run in runs}) == 3
