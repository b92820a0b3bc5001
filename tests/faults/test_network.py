"""A line that loses packets and is slow, to callers and to the function, and one that is cut."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.network import FAR, NEAR, Line, line, why_not
from tests.support.whole_edge import BROKEN, Answer, Caller, serving
from tests.support.whole_processes import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SIZE = 60_000
CALLERS, EACH = 12, 20


@pytest.fixture
def bad_line() -> Iterator[Line]:
    """A line, where there can be one."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with line() as made:
        yield made


@dataclass
class FarFunction:
    """A function at the far end: it answers with the target, over and over.

    Attributes:
        url: where it listens.
        seen: how often each request arrived whole, by its target.
    """

    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)


def body_for(target: str) -> bytes:
    """What the function answers."""
    return (target.encode() * SIZE)[:SIZE]


class Server(ThreadingHTTPServer):
    """Says nothing of connections that are cut."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """What breaks here, callers see."""


@contextmanager
def far_function(there: Line) -> Iterator[FarFunction]:
    """Start it, and end it."""
    started, function = threading.Event(), FarFunction()
    servers: list[Server] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            function.seen[self.path] += 1
            self.send_response(200)
            self.send_header("content-length", str(SIZE))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body_for(self.path))

        do_POST = do_GET  # noqa: N815 - as the base class names it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Be silent."""

    def serve() -> None:
        with Server((FAR, 0), Handler) as server:
            servers.append(server)
            function.url = f"http://{FAR}:{server.server_port}"
            started.set()
            server.serve_forever(0.1)

    thread = there.at_the_far_end(serve)
    assert started.wait(10)
    try:
        yield function
    finally:
        servers[0].shutdown()
        thread.join(10)


@dataclass
class Told:
    """What callers were told, over all of them.

    Attributes:
        statuses: how often each status came; 0 where the connection broke before an answer.
        wrong: answers that looked whole and were not what the function says.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, target: str, answer: Answer | None) -> None:
        """Count one answer."""
        self.statuses[0 if answer is None else answer.status] += 1
        if answer is not None and answer.status == 200 and answer.body != body_for(target):
            self.wrong.append(target)


def calls(port: int, token: str, number: int, told: Told) -> None:
    """One far caller's requests, one after the other, half of them with a body."""
    caller = None
    for count in range(EACH):
        target = f"/{number}-{count}"
        more = {"method": "POST", "body": b"x" * 20_000} if count % 2 else {}
        answer = None
        with suppress(*BROKEN):
            caller = caller or Caller(port, host=NEAR)
            answer = caller.ask(f"/shop{target}", token, **more)
        if answer is None and caller is not None:
            caller.close()
            caller = None
        told.note(target, answer)
    if caller is not None:
        caller.close()


def test_on_a_line_that_loses_one_packet_in_ten_no_answer_is_wrong_and_nothing_happens_twice(
    tmp_path: Path, bad_line: Line
) -> None:
    with (
        far_function(bad_line) as function,
        serving(tmp_path / "data", "--bind", f"{NEAR}:0") as edge,
    ):
        token = edge.deploy("shop", function.url).token or ""
        near = Caller(edge.port, host=NEAR)
        assert near.ask("/shop/first", token).body == body_for("/first")
        bad_line.loss, bad_line.delay = 0.1, 0.1
        told = Told()
        threads = [
            bad_line.at_the_far_end(lambda number=number: calls(edge.port, token, number, told))
            for number in range(CALLERS)
        ]
        for thread in threads:
            thread.join(150)
        assert told.statuses.total() == CALLERS * EACH
        assert told.wrong == []
        assert set(told.statuses) <= {0, 200, 502, 503, 504}
        assert told.statuses[200] > CALLERS * EACH / 2
        sent = {target: times for target, times in function.seen.items() if "-" in target}
        assert all(times == 1 for target, times in sent.items() if _is_post(target))
        assert bad_line.lost > 100
        bad_line.loss = bad_line.delay = 0.0
        eventually(lambda: near.ask("/shop/last", token).status == 200, "all is well again")
        near.close()


def _is_post(target: str) -> bool:
    return int(target.rpartition("-")[2]) % 2 == 1


def test_a_line_that_is_cut_is_left_alone_and_used_again_when_it_is_mended(
    tmp_path: Path, bad_line: Line
) -> None:
    with (
        far_function(bad_line) as function,
        serving(tmp_path / "data", "--bind", f"{NEAR}:0", "--connect-timeout", "0.5") as edge,
    ):
        token = edge.deploy("shop", function.url, timeout=500).token or ""
        near = Caller(edge.port, host=NEAR)
        assert near.ask("/shop/first", token).status == 200
        bad_line.loss = 1.0
        answers = [near.ask("/shop/cut", token, method="POST") for _ in range(6)]
        assert [answer.status for answer in answers[1:]] == [502] * 4 + [503]
        assert answers[0].status == 504  # it went out on the connection that stood
        assert answers[-1].json["code"] == "circuit_open"
        bad_line.loss = 0.0
        eventually(lambda: near.ask("/shop/last", token).status == 200, "the line is used again")
        assert function.seen["/cut"] <= 1
        near.close()
