"""Metrics agree with what callers got, to the request, on both lanes and whoever is killed."""

import http.client
import os
import signal
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.documents_origin import free_port
from tests.support.http2_client import Http2Client
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually

LANES = pytest.mark.parametrize("lane", ["fast", pytest.param("asgi", marks=pytest.mark.slow)])

Samples = dict[tuple[str, ...], float]


def scraped(admin: int, name: str, *labels: str) -> Samples:
    """What `/metrics` says of one metric: the values of some labels to the sum."""
    connection = http.client.HTTPConnection("127.0.0.1", admin, timeout=20)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                key = tuple(sample.labels[label] for label in labels)
                found[key] = found.get(key, 0) + sample.value
    return found


def shows(admin: int, name: str, labels: tuple[str, ...], expected: Samples) -> None:
    """Wait until a scrape shows exactly this."""
    seen: list[Samples] = [{}]

    def reached() -> bool:
        seen[0] = scraped(admin, name, *labels)
        return seen[0] == expected

    try:
        eventually(reached, name)
    except AssertionError:
        assert seen[0] == expected


def ask_raw(edge: Edge, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=20) as client:
        client.sendall(sent)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


@LANES
def test_every_request_is_counted_once_with_what_it_got(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    admin = free_port()
    flags = ("--admin", f"127.0.0.1:{admin}", *(["--no-fast-lane"] if lane == "asgi" else []))
    with serving(tmp_path / "data", *flags, workers=2) as edge:
        token = edge.deploy("shop", origin.url, methods=["GET"]).token
        for _ in range(4):
            with_token, without = edge.caller(), edge.caller()
            for _ in range(3):
                assert with_token.ask("/shop/hello", token).status == 200
                assert without.ask("/shop/hello").status == 401
            assert with_token.ask("/shop/hello", token, method="PUT").status == 405
            assert with_token.ask("/nobody/hello", token).status == 404
            assert with_token.rpc("/shop/mcp", token, "tools/list").status == 200
            assert with_token.rpc("/mcp", token, "tools/list").status == 200
            with_token.close()
            without.close()
        assert ask_raw(edge, b"GET / HTTP/1.1\r\nbad\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        labels = ("function", "status", "code", "lane", "whole")
        expected = {
            ("shop", "200", "", lane, "true"): 16.0,
            ("shop", "401", "unauthorized", lane, "true"): 12.0,
            ("shop", "405", "method_not_allowed", lane, "true"): 4.0,
            ("", "404", "not_found", lane, "true"): 4.0,
            ("edge", "200", "", lane, "true"): 4.0,
        }
        shows(admin, "jelou_requests_total", labels, expected)
        shows(admin, "jelou_request_seconds_count", ("function",), {
            ("shop",): 32.0, ("",): 4.0, ("edge",): 4.0,
        })  # fmt: skip
        shows(admin, "jelou_unread_total", ("code",), {("bad_request",): 1.0})


@LANES
def test_who_leaves_is_counted_as_an_answer_that_was_not_whole(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    admin = free_port()
    flags = ("--admin", f"127.0.0.1:{admin}", *(["--no-fast-lane"] if lane == "asgi" else []))
    with serving(tmp_path / "data", *flags) as edge:
        token = edge.deploy("shop", origin.url).token
        waiting, reading = edge.caller(), edge.caller()
        waiting.send("/shop/hold", token)
        origin.wait_for_held(1)
        shows(admin, "jelou_in_flight", (), {(): 1.0})
        waiting.close()
        reading.send("/shop/events", token)
        origin.next_event.release()
        assert reading.connection.getresponse().read(1)
        shows(admin, "jelou_streams", (), {(): 1.0})
        reading.connection.sock.close()
        reading.close()
        labels = ("function", "status", "lane", "whole")
        expected = {
            ("shop", "0", lane, "false"): 1.0,
            ("shop", "200", lane, "false"): 1.0,
        }
        shows(admin, "jelou_requests_total", labels, expected)
        shows(admin, "jelou_streams", (), {(): 0.0})


async def test_http2_is_counted_with_the_other_lane(tmp_path: Path, origin: Function) -> None:
    admin = free_port()
    with serving(tmp_path / "data", "--admin", f"127.0.0.1:{admin}") as edge:
        token = edge.deploy("shop", origin.url).token
        assert token is not None
        client = await Http2Client.connect("127.0.0.1", edge.port)
        fields = (("x-jelou-token", token),)
        answer = await client.ask("/shop/hello", fields=fields, host="127.0.0.1")
        assert answer.status == 200
        await client.aclose()
        labels = ("function", "status", "lane", "whole")
        shows(admin, "jelou_requests_total", labels, {("shop", "200", "asgi", "true"): 1.0})


def test_a_worker_that_is_killed_takes_no_counts_with_it(tmp_path: Path, origin: Function) -> None:
    admin = free_port()
    with serving(tmp_path / "data", "--admin", f"127.0.0.1:{admin}") as edge:
        token = edge.deploy("shop", origin.url).token
        caller = edge.caller()
        for _ in range(5):
            assert caller.ask("/shop/hello", token).status == 200
        shows(admin, "jelou_requests_total", ("function",), {("shop",): 5.0})
        (worker,) = edge.workers
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: edge.workers not in ([], [worker]), "a replacement")
        assert edge.caller().ask("/shop/hello", token).status == 200
        shows(admin, "jelou_requests_total", ("function",), {("shop",): 6.0})
