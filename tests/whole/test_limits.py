"""Limits that workers share hold for the edge as a whole."""

from pathlib import Path

import pytest

from tests.support.whole_edge import serving
from tests.support.whole_function import Function


@pytest.mark.slow
def test_each_worker_lets_its_share_of_requests_in_and_says_when_it_is_full(
    tmp_path: Path, origin: Function
) -> None:
    limits = ("--in-flight", "3", "--queue", "0")
    with (
        serving(tmp_path / "data", *limits, workers=2) as edge,
        edge.caller_of_each_worker() as callers,
    ):
        token = edge.deploy("shop", origin.url).token
        held = []
        for pid, caller in callers.items():
            second, third = edge.callers_of(pid, 2)
            held += [caller.send("/shop/hold", token), second.send("/shop/hold", token)]
            origin.wait_for_held(2)
            refused = third.ask("/shop/hold", token)
            assert (refused.status, refused.json["code"]) == (503, "overloaded")
            assert int(refused.headers["retry-after"]) >= 1
        origin.let_go.set()
        assert [caller.receive().status for caller in held] == [200] * 4
