"""The console on several workers: whoever answers knows who is signed in, and who no longer is."""

import os
import re
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.support.console_visitor import Visitor
from tests.support.documents_origin import free_port
from tests.support.whole_edge import serving
from tests.support.whole_processes import eventually


@pytest.mark.slow
def test_who_signs_out_is_out_in_every_worker(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path / "data", "--admin", f"127.0.0.1:{port}", workers=3) as edge:
        visitor = Visitor(f"127.0.0.1:{port}")
        visitor.sign_in(edge.operations.create_access("visitor").token)
        kept = Visitor(visitor.netloc, dict(visitor.cookies))
        assert {kept.get("/console/").status for _ in range(30)} == {200}
        visitor.post("/console/sign-out")

        def is_out_everywhere() -> bool:
            return {kept.get("/console/").status for _ in range(30)} == {303}

        eventually(is_out_everywhere, "every worker has heard of it")


@pytest.mark.slow
def test_the_charts_count_every_request_and_outlive_a_worker(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path / "data", "--admin", f"127.0.0.1:{port}") as edge:
        edge.deploy("shop", "http://127.0.0.1:9")
        visitor = Visitor(f"127.0.0.1:{port}")
        visitor.sign_in(edge.operations.create_access("visitor").token)

        def counted(count: int) -> bool:
            return f"{count} requests in the last" in visitor.get("/console/functions/shop").text

        eventually(lambda: "0 requests" in visitor.get("/console/").text, "a page", seconds=30)
        for _ in range(7):
            edge.caller().ask("/shop/x")
        eventually(lambda: counted(7), "the next sample", seconds=40)
        for _ in range(5):
            edge.caller().ask("/shop/x")
        told = partial(visitor.get, "/metrics")
        eventually(lambda: bool(re.search(r'n="shop",.* 12\.0', told().text)), "the page")
        (before,) = edge.workers
        os.kill(before, signal.SIGKILL)
        eventually(lambda: edge.workers not in ([], [before]), "another worker")
        eventually(lambda: counted(12), "what the one before has counted", seconds=40)
