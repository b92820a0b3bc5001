"""What happens to requests in flight while functions are deployed and workers die."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.edge import jelou
from tests.support.whole_edge import BROKEN, Caller, Edge, project, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import eventually

SLUG = "shop"
IN_FLIGHT = 200


@contextmanager
def in_flight(edge: Edge, origin: Function, token: str | None) -> Iterator[list[Caller]]:
    """So many requests that have all reached the function, which holds them."""
    callers = [edge.caller() for _ in range(IN_FLIGHT)]
    try:
        for number, caller in enumerate(callers):
            caller.send(f"/{SLUG}/hold?{number}", token)
        origin.wait_for_held(IN_FLIGHT)
        yield callers
    finally:
        for caller in callers:
            caller.close()


def test_a_deploy_drops_none_of_200_requests_in_flight(
    shared_edge: Edge, tmp_path: Path, origin: Function
) -> None:
    folder, edge = tmp_path / "project", shared_edge
    folder.mkdir()
    with function() as successor:
        token = edge.deploy(SLUG, origin.url).token
        with in_flight(edge, origin, token) as callers:
            text = project(SLUG, successor.url, timeout=20000)
            (folder / "jelou.json").write_text(text)
            assert jelou(edge.data_dir, "deploy", str(folder))["changed"]
            new = edge.caller()
            assert new.ask(f"/{SLUG}/after", token).status == 200
            assert successor.requests[-1] == "/after"
            new.close()
            origin.let_go.set()
            answers = [caller.receive() for caller in callers]
        assert [answer.status for answer in answers] == [200] * IN_FLIGHT
        assert [answer.json["held"] for answer in answers] == [str(n) for n in range(IN_FLIGHT)]


@pytest.mark.slow
def test_no_request_notices_a_series_of_deploys(tmp_path: Path, origin: Function) -> None:
    statuses: list[int] = []
    deployed = threading.Event()

    def go_on_calling(caller: Caller, token: str | None) -> None:
        while not deployed.is_set():
            statuses.append(caller.ask(f"/{SLUG}/hello", token).status)

    with (
        serving(tmp_path / "data", workers=2) as edge,
        function() as other,
        edge.caller_of_each_worker() as callers,
    ):
        token = edge.deploy(SLUG, origin.url).token
        threads = [
            threading.Thread(target=go_on_calling, args=[caller, token])
            for caller in callers.values()
        ]
        for thread in threads:
            thread.start()
        for number in range(20):
            target = other if number % 2 else origin
            target.requests.clear()
            edge.deploy(SLUG, target.url, timeout=1000 + number)
            eventually(lambda: "/hello" in target.requests, "the new version is called")  # noqa: B023
        deployed.set()
        for thread in threads:
            thread.join(20)
    assert set(statuses) == {200}


def test_a_killed_worker_takes_down_its_own_connections_alone_and_is_replaced(
    shared_edge: Edge, origin: Function
) -> None:
    edge = shared_edge
    token = edge.deploy(SLUG, origin.url).token
    with in_flight(edge, origin, token) as callers:
        owners = [edge.worker_of(caller) for caller in callers]
        killed, survivor = edge.workers
        assert {killed, survivor} == set(owners)
        os.kill(killed, signal.SIGKILL)

        late = [edge.caller().send(f"/{SLUG}/late", token) for _ in range(20)]
        assert [caller.receive().status for caller in late] == [200] * len(late)
        eventually(lambda: len(edge.workers) == 2, "the worker is replaced")
        assert survivor in edge.workers
        assert killed not in edge.workers

        origin.let_go.set()
        whole = [answers_200(caller) for caller in callers]
        assert whole == [owner == survivor for owner in owners]
    with edge.caller_of_each_worker() as fresh:
        for caller in fresh.values():
            assert caller.ask(f"/{SLUG}/hello", token).status == 200
    for caller in late:
        caller.close()


def answers_200(caller: Caller) -> bool:
    """Whether a connection answers, rather than break."""
    try:
        return caller.receive().status == 200
    except BROKEN:
        return False
