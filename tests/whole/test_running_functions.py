"""Functions that the edge runs, as their callers meet them: woken, replaced, crashed, ended."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.edge import isolated
from tests.support.processes import JELOU
from tests.support.whole_edge import Caller, Edge, serving
from tests.support.whole_processes import bearing, eventually, is_alive

PROGRAM = """
import asyncio, os

VERSION = "v1"

async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            if b"/crash" in head:
                os._exit(3)
            length = [l for l in head.lower().split(b"\\r\\n") if l.startswith(b"content-length:")]
            if length:
                await reader.readexactly(int(length[0].split(b":")[1]))
            if b"/slow" in head:
                await asyncio.sleep(0.05)
            body = f"{VERSION} {os.getpid()}".encode()
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_unix_server(serve, os.environ["LISTEN_SOCKET"])
    await server.serve_forever()

asyncio.run(main())
"""
CALLS = 500
CALLERS = 10


@pytest.fixture
def edge(shared_edge: Edge) -> Edge:
    """A running edge of two workers."""
    return shared_edge


def deploy(edge: Edge, slug: str, version: str = "v1", **scale: Any) -> None:
    """Deploy the function with the command line, in this version."""
    here = edge.data_dir.parent / slug
    here.mkdir(exist_ok=True)
    (here / "main.py").write_text(PROGRAM.replace('"v1"', f'"{version}"'))
    project = {
        "function": slug,
        "command": [sys.executable, "-S", "-E", "main.py"],
        "openapi": False,
        "scale": scale,
        "config": {"public": True},
    }
    (here / "jelou.json").write_text(json.dumps(project))
    done = subprocess.run(
        [*JELOU, "deploy", str(here), "--data-dir", str(edge.data_dir), "--no-confirm"],
        env=isolated(edge.data_dir) | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def said(edge: Edge, target: str, method: str = "GET") -> tuple[str, int]:
    """The version that answers a request on a connection of its own, and its process."""
    caller = Caller(edge.port)
    try:
        answer = caller.ask(target, method=method, body=b"x" if method == "POST" else None)
    finally:
        caller.close()
    assert answer.status == 200, answer
    version, pid = answer.body.decode().split()
    return version, int(pid)


def running(slug: str) -> list[int]:
    """The processes of a function, forks included."""
    return bearing(f"JELOU_FUNCTION={slug}")


def versions_during(edge: Edge, slug: str, change: Callable[[], object]) -> Counter[str]:
    """Which versions answer the calls of several keep-alive connections while something changes."""
    found: Counter[str] = Counter()
    changing = threading.Thread(target=change)
    at_work = threading.Barrier(CALLERS + 1)

    def calls() -> None:
        caller = Caller(edge.port)
        for number in range(CALLS // CALLERS):
            method = ("GET", "POST")[number % 2]
            answer = caller.ask(
                f"/{slug}/slow", method=method, body=b"x" if method == "POST" else None
            )
            assert answer.status == 200, answer
            found[answer.body.decode().split()[0]] += 1
            if number == 0:
                at_work.wait()
        while changing.is_alive():  # there are requests for as long as it takes
            answer = caller.ask(f"/{slug}/slow", method="POST", body=b"x")
            assert answer.status == 200, answer
            found[answer.body.decode().split()[0]] += 1
        caller.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        calling = [pool.submit(calls) for _ in range(CALLERS)]
        at_work.wait()
        changing.start()
        for each in calling:
            each.result(timeout=60)
    changing.join()
    assert found.total() >= CALLS
    return found


def test_a_sleeping_function_is_woken_once_by_many_requests_on_all_workers(edge: Edge) -> None:
    deploy(edge, "sleeper", idle="1s")
    _, first = said(edge, "/sleeper/")
    eventually(lambda: not is_alive(first), "the function sleeps")
    health = edge.caller().ask("/sleeper/__health")
    assert (health.status, health.json["status"]) == (200, "ok")
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: said(edge, "/sleeper/"), range(120)))
    assert len({pid for _, pid in answers}) == 1
    assert answers[0][1] != first


async def _statuses(port: int, count: int) -> Counter[int]:
    """What so many requests at once are answered, each on a connection of its own."""

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /crowded/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return int(answer[9:12])

    async with asyncio.timeout(60):
        return Counter(await asyncio.gather(*(ask() for _ in range(count))))


@pytest.mark.slow
def test_two_thousand_requests_at_once_start_one_process(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--in-flight", "1600", "--queue-timeout", "30") as edge:
        deploy(edge, "crowded", idle="1s")
        _, first = said(edge, "/crowded/")
        eventually(lambda: not is_alive(first), "the function sleeps")
        statuses = asyncio.run(_statuses(edge.port, 2000))
        assert statuses.keys() <= {200, 503}
        assert statuses[200] >= 1600 + 256
        assert len(running("crowded")) == 1


def test_every_request_during_a_redeploy_and_a_rollback_is_answered(edge: Edge) -> None:
    deploy(edge, "moved", "v1")
    deployed = versions_during(edge, "moved", lambda: deploy(edge, "moved", "v2"))
    assert deployed.keys() == {"v1", "v2"}
    assert said(edge, "/moved/")[0] == "v2"
    back = versions_during(edge, "moved", lambda: edge.operations.rollback("moved", None))
    assert "v1" in back
    assert said(edge, "/moved/")[0] == "v1"


def test_a_function_that_dies_amid_a_request_answers_the_next_one(edge: Edge) -> None:
    deploy(edge, "fragile")
    _, first = said(edge, "/fragile/")
    answer = edge.caller().ask("/fragile/crash", method="POST", body=b"x")
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    _, second = said(edge, "/fragile/", "POST")
    assert second != first
    assert not is_alive(first)


def test_several_processes_share_the_requests(edge: Edge) -> None:
    deploy(edge, "wide", min=3, max=3, concurrency=20)
    seen: set[int] = set()

    def all_seen() -> bool:
        with ThreadPoolExecutor(12) as pool:
            seen.update(pid for _, pid in pool.map(lambda _: said(edge, "/wide/slow"), range(24)))
        return len(seen) == 3

    eventually(all_seen, "three processes answer")


def test_nothing_is_left_of_a_deleted_function_or_of_an_edge_that_was_told_to_end(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data") as edge:
        deploy(edge, "kept", min=2, max=2)
        deploy(edge, "gone")
        _, gone = said(edge, "/gone/")
        edge.operations.delete_function("gone")
        assert not is_alive(gone)
        caller = edge.caller()
        assert caller.ask("/gone/").status == 404
        left = running("kept")
        assert len(left) == 2
        os.kill(edge.pid, signal.SIGTERM)
        assert edge.program.process.wait(timeout=30) == 0
        assert not [pid for pid in left if is_alive(pid)]
