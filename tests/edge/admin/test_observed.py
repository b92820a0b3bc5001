"""What workers have counted, as the operations tell it: whole, by every way, and over time."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.admin.codec import decode, encode
from edge.admin.counts import counted as as_counts
from edge.admin.errors import AdminError
from edge.admin.local_observed import observed
from edge.admin.observed_operations import LAST_LINES, Observed
from edge.admin.sampling import elapsed, sample
from edge.events import Event
from edge.observe.pages import PUBLISH_SECONDS, Page
from edge.observe.tally import Snapshot
from tests.support.accounts import account
from tests.support.counting import VITALS, counted, events
from tests.support.observed import counting
from tests.support.operations import WAYS, reached, store

NOW = 1000.0
NOTHING = counted([])


def page(slot: int, counts: Snapshot, at: float = NOW, **vitals: object) -> Page:
    return Page(slot, replace(VITALS, at=at, **vitals), counts)  # type: ignore[arg-type]


def requests(count: int) -> Snapshot:
    """Counts of so many that are alike."""
    one = counted([account()])
    return one._replace(requests=dict.fromkeys(one.requests, count))


@settings(max_examples=40)
@given(events, events)
def test_counts_of_all_workers_are_told_and_read_again(
    some: list[Event], others: list[Event]
) -> None:
    told = observed([page(0, counted(some)), page(1, counted(others))], NOW)
    read = decode(Observed, json.loads(json.dumps(encode(told))))
    assert read == told
    both = counted(some + others)
    for name, counts in both._asdict().items():
        if name not in ("durations", "upstream"):
            assert getattr(as_counts(read), name) == counts
    assert {name: each.classes for name, each in as_counts(read).durations.items()} == {
        name: each.classes for name, each in both.durations.items()
    }


def test_a_slot_is_told_once_with_what_all_its_workers_have_done() -> None:
    told = observed([page(0, requests(3), pid=7), page(0, requests(2), pid=8)], NOW)
    (worker,) = told.workers
    assert (worker.pid, worker.requests) == (8, 5)


def test_a_page_that_has_not_changed_is_as_good_as_the_last_one_that_could_have() -> None:
    told = observed([page(0, NOTHING, at=NOW - 60), page(1, NOTHING, at=NOW - 0.1)], NOW)
    assert [worker.at for worker in told.workers] == [NOW - PUBLISH_SECONDS, NOW - 0.1]


def test_the_last_lines_of_all_workers_are_told_in_order() -> None:
    lines = [{"time": f"2026-01-01T00:00:{n // 2:02}.{n:03}Z", "n": n} for n in range(80)]
    mine, others = (replace(page(n, NOTHING), recent=tuple(lines[n::2])) for n in (0, 1))
    told = observed([mine, others], NOW)
    assert [line["n"] for line in told.recent] == list(range(80))[-LAST_LINES:]


@pytest.mark.parametrize("way", WAYS)
def test_it_can_be_asked_by_every_way(tmp_path: Path, way: str) -> None:
    pages = [replace(page(0, requests(2)), recent=({"time": "x"},))]
    with (
        counting(tmp_path / "data", lambda: pages) as edge,
        reached(edge, way, tmp_path / "sock") as operations,
    ):
        told = operations.observed()
    assert [(each.function, each.count) for each in told.requests] == [("shop", 2)]
    assert told.recent == ({"time": "x"},)


def test_without_an_edge_there_is_nothing_to_ask(tmp_path: Path) -> None:
    with store(tmp_path / "data") as operations, pytest.raises(AdminError) as refused:
        operations.observed()
    assert refused.value.code == "TRANSIENT_ERROR"
    assert refused.value.message == "No edge is running; start it with: jelou serve"


# Over time.


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 500), st.floats(0, 0.5), st.floats(0, 0.5)),
        min_size=1,
        max_size=4,
    )
)
def test_what_steady_workers_do_a_second_does_not_depend_on_when_they_wrote_it(
    workers: list[tuple[int, int, float, float]],
) -> None:
    """Each does so many a second, and wrote its two pages so long before they were read."""
    before, after, expected = list[Page](), list[Page](), 0.0
    for slot, (done, a_second, early, late) in enumerate(workers):
        seconds = 2.0 - late + early
        more = round(a_second * seconds)
        before.append(page(slot, requests(done), at=NOW - early))
        after.append(page(slot, requests(done + more), at=NOW + 2.0 - late))
        expected += more / seconds
    taken = sample(observed(before, NOW), observed(after, NOW + 2.0))
    assert taken.total.requests == pytest.approx(expected)
    assert sum(worker.requests for worker in taken.workers) == pytest.approx(expected)


def test_workers_that_do_nothing_have_their_time_too() -> None:
    idle = [observed([page(0, NOTHING, at=NOW - 90)], NOW + seconds) for seconds in (0.0, 1.0)]
    assert elapsed(*idle) == pytest.approx(1.0)
    taken = sample(*idle)
    assert (taken.total.requests, taken.total.p99) == (0, None)


def test_the_share_of_a_processor_is_a_workers_own() -> None:
    before = [page(0, NOTHING, cpu=1.0), page(1, NOTHING, cpu=5.0)]
    after = [page(0, NOTHING, NOW + 2, cpu=2.0), page(1, NOTHING, NOW + 2, cpu=0.5, pid=99)]
    taken = sample(observed(before, NOW), observed(after, NOW + 2))
    assert [worker.cpu for worker in taken.workers] == [pytest.approx(0.5), None]


def test_a_worker_that_came_meanwhile_is_shown_without_rates() -> None:
    taken = sample(
        observed([page(0, requests(1))], NOW),
        observed([page(0, requests(3), NOW + 1), page(1, requests(9), NOW + 1)], NOW + 1),
    )
    assert [worker.requests for worker in taken.workers] == [pytest.approx(2.0), 0.0]


def test_counts_in_other_classes_are_not_taken_for_ours() -> None:
    told = observed([page(0, requests(1))], NOW)
    with pytest.raises(ValueError, match="another version"):
        sample(told, replace(told, bounds=(1.0, 2.0)))
