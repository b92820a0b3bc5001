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
        assert {kept.get("/admin/console/").status for _ in range(30)} == {200}
        visitor.post("/admin/console/sign-out")

        def is_out_everywhere() -> bool:
            return {kept.get("/admin/console/").status for _ in range(30)} == {303}

        eventually(is_out_everywhere, "every worker has heard of it")


@pytest.mark.slow
def test_the_charts_count_every_request_and_outlive_a_worker(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path / "data", "--admin", f"127.0.0.1:{port}") as edge:
        edge.deploy("shop", "http://127.0.0.1:9")
        visitor = Visitor(f"127.0.0.1:{port}")
        visitor.sign_in(edge.operations.create_access("visitor").token)

        def counted(count: int) -> bool:
            return (
                f"{count} requests in the last" in visitor.get("/admin/console/functions/shop").text
            )

        eventually(
            lambda: "0 requests" in visitor.get("/admin/console/").text, "a page", seconds=30
        )
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


@pytest.mark.slow
def test_log_metrics_and_console_agree_to_the_request(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "access.log"
    flags = ("--admin", f"127.0.0.1:{port}", "--access-log", str(log))
    with serving(tmp_path / "data", *flags, workers=2) as edge:
        token = edge.deploy("shop", "http://127.0.0.1:9").token
        visitor = Visitor(f"127.0.0.1:{port}")
        visitor.sign_in(edge.operations.create_access("visitor").token)
        eventually(lambda: "0 requests" in visitor.get("/admin/console/").text, "a page", 30)
        for _ in range(10):
            caller = edge.caller()
            for number in range(30):
                caller.ask("/shop/x", token if number % 3 else None)

        def in_log() -> int:
            return sum(b'"function":"shop"' in line for line in log.read_bytes().splitlines())

        def in_metrics() -> float:
            found = re.findall(
                r'jelou_requests_total{.*function="shop".*} (.+)', visitor.get("/metrics").text
            )
            return sum(map(float, found))

        def on_the_page() -> bool:
            return "300 requests in the last" in visitor.get("/admin/console/functions/shop").text

        eventually(lambda: log.exists() and in_log() == 300, "lines")
        eventually(lambda: in_metrics() == 300, "counts")
        eventually(on_the_page, "a sample", seconds=40)
        assert (in_log(), in_metrics()) == (300, 300)
