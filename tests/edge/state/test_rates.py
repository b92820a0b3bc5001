"""Rate limits in the table that processes share: exact, over interleavings, deaths and restarts."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import Refusal
from edge.limits import Limit
from edge.state import rate_table
from edge.state.rate_table import BUCKETS, WAYS, RateTable
from edge.state.rates import Rates
from tokens.rate import parse_rate

SECOND = 10**9
START = 1000 * SECOND


class Clock:
    """Nanoseconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@contextmanager
def opened(path: Path, clock: Clock) -> Iterator[Rates]:
    with closing(Rates(RateTable(path), clock)) as rates:
        yield rates


def token(rate: str, whose: str = "tok_a") -> Limit:
    return Limit("token", whose, parse_rate(rate))


def function(rate: str, whose: str = "shop") -> Limit:
    return Limit("function", whose, parse_rate(rate))


def served(rates: Rates, tries: int, *limits: Limit) -> int:
    return sum(not isinstance(rates.take(limits), Refusal) for _ in range(tries))


def test_all_may_come_at_once_and_then_one_each_interval(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "rates", clock) as rates:
        assert served(rates, 20, token("10/m")) == 10
        clock.now += 6 * SECOND
        assert served(rates, 20, token("10/m")) == 1
        clock.now += 60 * SECOND
        assert served(rates, 20, token("10/m")) == 10


def test_who_is_told_what_is_left_and_when(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "rates", clock) as rates:
        told = [rates.take((token("2/m"),)) for _ in range(3)]
        assert [[(each.requests, each.seconds) for each in one] for one in told[:2]] == [  # type: ignore[union-attr]
            [(1, 30)],
            [(0, 30)],
        ]
        assert isinstance(told[2], Refusal)
        assert dict(told[2].headers)[b"retry-after"] == b"30"
        clock.now += 10 * SECOND + 1
        again = rates.take((token("2/m"),))
        assert isinstance(again, Refusal)
        assert dict(again.headers)[b"retry-after"] == b"20"


def test_tokens_and_functions_of_one_name_have_nothing_to_do_with_one_another(
    tmp_path: Path,
) -> None:
    with opened(tmp_path / "rates", Clock()) as rates:
        assert served(rates, 9, token("3/m", "x")) == 3
        assert served(rates, 9, function("3/m", "x")) == 3
        assert served(rates, 9, token("3/m", "y")) == 3


def test_what_one_limit_refuses_takes_nothing_from_the_other(tmp_path: Path) -> None:
    with opened(tmp_path / "rates", Clock()) as rates:
        assert served(rates, 50, token("2/m"), function("5/m")) == 2
        assert served(rates, 50, token("9/m", "tok_b"), function("5/m")) == 3
        assert served(rates, 50, token("9/m", "tok_b")) == 6


def test_a_limit_that_was_lowered_or_raised_holds_at_once(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "rates", clock) as rates:
        assert served(rates, 10, function("10/d")) == 10
        clock.now += SECOND
        assert served(rates, 10, function("600/m")) == 0
        clock.now += SECOND
        assert served(rates, 100, function("600/m")) == 10


def test_processes_share_one_count_and_a_restart_changes_nothing(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "rates"
    with opened(path, clock) as one, opened(path, clock) as other:
        assert [served(each, 2, token("5/m")) for each in (one, other, one)] == [2, 2, 1]
    with opened(path, clock) as rates:
        assert served(rates, 5, token("5/m")) == 0


def test_a_clock_that_runs_back_gives_nothing_and_locks_nobody_out(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path / "rates", clock) as rates:
        assert served(rates, 10, token("10/m")) == 10
        clock.now -= 900 * SECOND
        assert served(rates, 10, token("10/m")) == 0
        clock.now += 60 * SECOND
        assert served(rates, 20, token("10/m")) == 10


def test_the_counts_of_an_earlier_boot_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, boot = tmp_path / "rates", tmp_path / "boot"
    monkeypatch.setattr(rate_table, "_BOOT", boot)
    for text in ("1b0b7a2e-aaaa", "2b0b7a2e-aaaa"):
        boot.write_text(text)
        with opened(path, Clock()) as rates:
            assert served(rates, 20, token("10/d")) == 10


def test_a_file_that_somebody_has_damaged_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    path.write_bytes(b"\xff" * 100)
    with opened(path, Clock()) as rates:
        assert served(rates, 20, token("10/d")) == 10


def test_the_table_stays_as_large_as_it_is_and_those_in_use_are_not_pushed_out(
    tmp_path: Path,
) -> None:
    clock, path = Clock(), tmp_path / "rates"
    with opened(path, clock) as rates:
        size = path.stat().st_size
        assert served(rates, 10, token("10/d", "mine")) == 10
        for number in range(20_000):
            rates.take((token("10/s", f"tok_{number}"),))
            clock.now += SECOND // 100
        assert served(rates, 5, token("10/d", "mine")) == 0
        assert path.stat().st_size == size == (8 + 2 * BUCKETS * WAYS) * 8
    assert path.stat().st_mode & 0o777 == 0o600


def test_in_a_bucket_that_is_full_the_one_that_owes_least_goes(tmp_path: Path) -> None:
    with closing(RateTable(tmp_path / "rates")) as table:
        for number in range(1, WAYS + 1):
            table.write(table.find(number * BUCKETS), 100 + number)
        assert table.read(table.find((WAYS + 1) * BUCKETS)) == 0
        table.write(table.find((WAYS + 1) * BUCKETS), 999)
        assert [table.read(table.find(n * BUCKETS)) for n in range(2, WAYS + 2)] == [
            *range(102, 101 + WAYS),
            999,
        ]


@settings(max_examples=30, deadline=None)
@given(
    rate=st.integers(1, 30),
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 20 * SECOND), st.integers(1, 20)), max_size=20
    ),
)
def test_no_interleaving_of_processes_gets_more(
    tmp_path_factory: pytest.TempPathFactory, rate: int, steps: list[tuple[int, int, int]]
) -> None:
    clock, path = Clock(), tmp_path_factory.mktemp("table") / "rates"
    limit, total = token(f"{rate}/m"), 0
    handles = [Rates(RateTable(path), clock) for _ in range(4)]
    for which, pause, tries in steps:
        clock.now += pause
        total += served(handles[which], tries, limit)
        assert total <= rate + rate * (clock.now - START) / (60 * SECOND)
    clock.now += 61 * SECOND
    assert served(handles[0], rate + 5, limit) == rate
    for handle in handles:
        handle.close()


HAMMER = """
import sys, time
from pathlib import Path
from edge.errors import Refusal
from edge.limits import Limit
from edge.state.rate_table import RateTable
from edge.state.rates import Rates
from tokens.rate import parse_rate

rates = Rates(RateTable(Path(sys.argv[1])), time.monotonic_ns)
limits = (Limit("token", "tok_a", parse_rate("5000/d")), Limit("function", "f", parse_rate("9/d")))
print("ready", flush=True)
sys.stdin.readline()
one = sum(not isinstance(rates.take(limits[:1]), Refusal) for _ in range(4000))
two = sum(not isinstance(rates.take(limits[1:]), Refusal) for _ in range(100))
print(one, two, flush=True)
"""


def test_processes_that_hammer_on_one_limit_get_exactly_what_it_allows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HAMMER, str(tmp_path / "rates")]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [[int(n) for n in process.communicate(timeout=20)[0].split()] for process in started]
    assert [sum(column) for column in zip(*counts, strict=True)] == [5000, 9]


HOLDER = """
import sys
from pathlib import Path
from edge.state.rate_table import RateTable

table = RateTable(Path(sys.argv[1]))
assert table.lock()
print("held", flush=True)
sys.stdin.readline()
"""


def test_who_dies_or_is_stopped_within_an_update_stops_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "rates"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with (
        opened(path, Clock()) as rates,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held,
    ):
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        begun = time.monotonic()
        assert served(rates, 200, token("100/d")) == 100
        assert time.monotonic() - begun < 5, "each of them waited"
        held.kill()
        held.wait()
        assert served(rates, 5, token("100/d"), function("3/d")) == 0
    with closing(RateTable(path)) as table:
        assert table.lock()


def test_an_update_waits_for_another_that_is_soon_done(tmp_path: Path) -> None:
    path, waiting = tmp_path / "rates", Event()
    with closing(RateTable(path)) as one, closing(RateTable(path)) as other:
        assert one.lock()
        found: list[bool] = []

        def locks() -> None:
            waiting.set()
            found.append(other.lock())

        thread = Thread(target=locks)
        thread.start()
        waiting.wait(5)
        one.unlock()
        thread.join(5)
        assert found == [True]
