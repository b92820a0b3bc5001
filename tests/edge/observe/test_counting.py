"""What has happened is counted once, added up over workers, and told as Prometheus reads it."""

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families

from edge.events import Account, CronRan, CutOff, Event, Unread
from edge.observe.exposition import METRICS, Held, exposition
from edge.observe.pages import DIRECTORY, Page, Pages
from edge.observe.tally import MOST_TOOLS, Tally
from tests.support.accounts import BEGAN, account
from tests.support.counting import VITALS, counted, events

HELD = Held(3, 5)
PER_WORKER = ("jelou_worker", "jelou_in_flight", "jelou_streams", "jelou_upstream_connections")


def told(text: bytes) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name: their labels' values, but for the slot's, to their values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@settings(max_examples=100)
@given(events, events)
def test_two_workers_and_one_that_did_both_have_counted_the_same(
    some: list[Event], others: list[Event]
) -> None:
    pages = [Page(0, VITALS, counted(some)), Page(1, VITALS, counted(others))]
    both = [Page(0, VITALS, counted(some + others))]
    two, one = told(exposition(pages, HELD)), told(exposition(both, HELD))
    for name, samples in one.items():
        if not name.startswith(PER_WORKER):
            assert two[name] == pytest.approx(samples)


@settings(max_examples=100)
@given(events)
def test_every_event_is_counted_once(happened: list[Event]) -> None:
    samples = told(exposition([Page(0, VITALS, counted(happened))], HELD))
    over = [event for event in happened if isinstance(event, Account)]
    assert sum(samples.get("jelou_requests_total", {}).values()) == len(over)
    for function in {event.function for event in over}:
        its = [event.ended - event.began for event in over if event.function == function]
        assert samples["jelou_request_seconds_count"][function,] == len(its)
        assert samples["jelou_request_seconds_sum"][function,] == pytest.approx(sum(its))
        assert samples["jelou_request_seconds_bucket"][function, "0.1"] == sum(
            seconds <= 0.1 for seconds in its
        )
    for name, expected in (
        ("jelou_unread_total", sum(isinstance(event, Unread) for event in happened)),
        ("jelou_connections_cut_off_total", sum(isinstance(event, CutOff) for event in happened)),
        ("jelou_cron_runs_total", sum(isinstance(event, CronRan) for event in happened)),
        ("jelou_body_bytes_total", sum(event.received + event.sent for event in over)),
        ("jelou_unauthorized_total", sum(event.code == "unauthorized" for event in over)),
        ("jelou_mcp_messages_total", sum(bool(event.mcp_method) for event in over)),
        (
            "jelou_mcp_tool_calls_total",
            sum(bool(event.mcp_method and event.tool) for event in over),
        ),
        (
            "jelou_upstream_seconds_count",
            sum(bool(event.set_out and event.answered) for event in over),
        ),
    ):
        assert sum(samples.get(name, {}).values()) == expected


def test_what_clients_may_say_makes_no_label_without_end() -> None:
    calls = [
        account(mcp_method=f"tools/{n}", tool=f"tool{n}", tool_failed=False)
        for n in range(MOST_TOOLS + 5)
    ]
    snapshot = counted(list(calls))
    assert snapshot.mcp == {("shop", "other"): len(calls)}
    assert len(snapshot.tools) == MOST_TOOLS + 1
    assert snapshot.tools["shop", "other", "ok"] == 5


@settings(max_examples=50)
@given(events, events, events)
def test_a_replacement_takes_over_what_those_before_it_have_counted(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[Event],
    second: list[Event],
    after: list[Event],
) -> None:
    pages = Pages(tmp_path_factory.mktemp("data"), edge=1, turn=0)
    pages.write(Page(4, replace(VITALS, pid=gone()), counted(first)))
    pages.write(Page(4, replace(VITALS, pid=os.getppid()), counted(second)))  # one that drains
    former = pages.former(4)
    tally = Tally()
    for page in former:
        tally.add(page.counts)
    includes = tuple(page.vitals.pid for page in former)
    pages.write(Page(4, replace(VITALS, pid=os.getpid()), counted(after, tally), includes))
    now, whole = told(exposition(pages.all(), HELD)), counted(first + second + after)
    expected = told(exposition([Page(4, VITALS, whole)], HELD))
    assert now == {name: pytest.approx(samples) for name, samples in expected.items()}
    assert len(pages.all()) == 2


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_pages_are_one_edges_own_and_read_by_its_user_alone(tmp_path: Path) -> None:
    pages = Pages(tmp_path, edge=1, turn=0)
    pages.write(Page(0, VITALS, counted([Unread("bad_request")])))
    pages.write(Page(1, VITALS, counted([])))
    assert [page.slot for page in pages.all()] == [0, 1]
    assert Pages(tmp_path, edge=2, turn=0).all() == []
    assert Pages(tmp_path, edge=1, turn=1).all() == []
    for path in (tmp_path / DIRECTORY).iterdir():
        assert path.stat().st_mode & 0o077 == 0
    pages.clear()
    assert not (tmp_path / DIRECTORY).exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"edge":1}', b'{"edge":1,"slot":0}'])
def test_a_page_that_is_damaged_is_no_page(tmp_path: Path, damage: bytes) -> None:
    pages = Pages(tmp_path, edge=1, turn=0)
    pages.write(Page(0, VITALS, counted([Unread("bad_request")])))
    (path,) = (tmp_path / DIRECTORY).iterdir()
    path.write_bytes(damage)
    assert pages.all() == []
    assert pages.former(0) == []


def test_every_metric_is_told_with_its_meaning_and_labels() -> None:
    happened: list[Any] = [
        account(code="unauthorized", reason="missing"),
        account(set_out=BEGAN, answered=BEGAN + 1, received=3, sent=4, mcp_method="ping", tool="a"),
        Unread("bad_request"),
        CutOff("flood"),
        CronRan("shop", "run_1", "ok", 200, "", 0.1),
    ]
    vitals = replace(VITALS, circuits=("http://127.0.0.1:9000",))
    text = exposition([Page(0, vitals, counted(happened))], HELD).decode()
    samples = told(text.encode())
    for metric in METRICS:
        family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        assert f"# HELP {metric.name} {metric.meaning}" in text
        assert f"# TYPE {metric.name} {metric.kind}" in text
        name = f"{family}_count" if metric.kind == "histogram" else metric.name
        assert {len(labels) for labels in samples[name]} == {len(metric.labels)}


def test_a_page_is_never_seen_half_written(tmp_path: Path) -> None:
    pages = Pages(tmp_path, edge=1, turn=0)
    pages.write(Page(0, VITALS, counted([])))
    (path,) = (tmp_path / DIRECTORY).iterdir()
    reader = os.open(path, os.O_RDONLY)
    before = os.read(reader, 1 << 16)
    pages.write(Page(0, VITALS, counted([Unread("bad_request")])))
    os.lseek(reader, 0, os.SEEK_SET)
    assert os.read(reader, 1 << 16) == before
    os.close(reader)


def test_what_is_read_never_falls_while_workers_are_replaced(tmp_path: Path) -> None:
    pages, one = Pages(tmp_path, edge=1, turn=0), counted([account()])
    over = threading.Event()

    def replaced() -> None:
        for pid in range(10_000, 10_400):
            page = Page(0, replace(VITALS, pid=pid), one, (pid - 1,))
            pages.write(page)
        over.set()

    pages.write(Page(0, replace(VITALS, pid=9_999), one))
    worker = threading.Thread(target=replaced)
    worker.start()
    seen = set()
    while not over.is_set():
        seen.add(len(pages.all()))
    worker.join()
    assert seen == {1}
