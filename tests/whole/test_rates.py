"""Rate limits hold for the edge as a whole, whatever becomes of its workers."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.whole_edge import Caller, Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually

SLUG = "shop"


def rated(edge: Edge, rate: str, name: str = "rated") -> str:
    """A new token of the function with this rate."""
    return edge.operations.create_token(SLUG, name, rate=rate).token


def asked(caller: Caller, token: str | None, times: int) -> Counter[int]:
    """The statuses of so many requests, one after the other."""
    return Counter(caller.ask(f"/{SLUG}/hello", token).status for _ in range(times))


def test_workers_that_are_asked_at_once_let_exactly_as_many_through_as_the_rate_says(
    shared_edge: Edge, origin: Function
) -> None:
    with shared_edge.caller_of_each_worker() as callers, ThreadPoolExecutor() as threads:
        shared_edge.deploy(SLUG, origin.url)
        token = rated(shared_edge, "101/d")
        counts = threads.map(lambda caller: asked(caller, token, 150), callers.values())
        assert sum(counts, Counter()) == {200: 101, 429: 199}
        assert origin.requests.count("/hello") == 101


def test_a_functions_limit_is_that_of_all_its_callers_in_all_workers(
    shared_edge: Edge, origin: Function
) -> None:
    with shared_edge.caller_of_each_worker() as callers:
        first = shared_edge.deploy(SLUG, origin.url, limits={"rate": "5/d"}).token
        second = rated(shared_edge, "100/d")
        one, other = callers.values()
        assert asked(one, first, 3) + asked(other, second, 3) == {200: 5, 429: 1}
        refused = one.ask(f"/{SLUG}/hello", first)
        assert refused.json["code"] == "rate_limited"
        assert 17_270 <= int(refused.headers["retry-after"]) <= 17_280
        mcp = other.rpc(f"/{SLUG}/mcp", second, "ping")
        assert (mcp.status, mcp.json["error"]["data"]["code"]) == (429, "rate_limited")


@pytest.mark.slow
def test_what_was_taken_stays_taken_when_workers_die_and_when_the_edge_starts_again(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", workers=2) as edge:
        edge.deploy(SLUG, origin.url)
        token = rated(edge, "10/d")
        assert asked(edge.caller(), token, 4) == {200: 4}
        before = edge.workers
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: len(set(edge.workers) - set(before)) == 2, "both are replaced")
        assert asked(edge.caller(), token, 4) == {200: 4}
    with serving(tmp_path / "data", workers=1) as edge:
        assert asked(edge.caller(), token, 5) == {200: 2, 429: 3}


def test_each_worker_lets_its_share_of_token_checks_fail_and_serves_good_tokens(
    tmp_path: Path, origin: Function
) -> None:
    with (
        serving(tmp_path / "data", "--auth-failures", "5", workers=2) as edge,
        edge.caller_of_each_worker() as callers,
    ):
        token = edge.deploy(SLUG, origin.url).token
        for caller in callers.values():
            assert asked(caller, None, 5) == {401: 3, 429: 2}
            assert asked(caller, token, 5) == {200: 5}
