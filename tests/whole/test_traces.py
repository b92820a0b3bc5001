"""A trace goes from the client through the edge to the function, and a collector sees the edge."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.otlp import Collector, Received, collecting
from tests.support.processes import run
from tests.support.whole_edge import serve_command, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01", "tracestate": "rojo=1"}


def waited(collector: Collector, count: int) -> list[Received]:
    eventually(lambda: len(collector.spans) >= count, f"{count} spans")
    return collector.spans


def seen_by_function(answer: Any) -> list[str]:
    """Trace and parent span, as the function was told them."""
    version, trace, span, flags = answer["seen"]["traceparent"].split("-")
    assert (version, flags) == ("00", "01")
    return [trace, span]


@pytest.mark.parametrize("lane", ["--fast-lane", "--no-fast-lane"])
def test_a_request_and_a_tool_call_are_spans_between_caller_and_function(
    tmp_path: Path, origin: Function, lane: str
) -> None:
    before = time.time_ns()
    with collecting() as collector, serving(tmp_path, lane, "--traces", collector.url) as edge:
        token = edge.deploy("shop", origin.url).token
        caller = edge.caller()
        told = caller.ask("/shop/hello?a=1", token, headers=SAMPLED).json
        (request,) = waited(collector, 1)
        assert told["seen"]["tracestate"] == "rojo=1"
        assert seen_by_function(told) == [TRACE, request.id]
        assert (request.trace, request.parent, request.name) == (TRACE, CALLER, "GET")
        assert before < request.began <= request.ended < time.time_ns()
        assert request.resource["service.name"] == "jelou-edge"
        assert not request.failed
        expected = {
            "http.request.method": "GET",
            "url.path": "/shop/hello",
            "http.response.status_code": 200,
            "jelou.function": "shop",
            "client.address": "127.0.0.1",
        }
        assert expected.items() <= request.attributes.items()

        collector.spans.clear()
        fresh = caller.ask("/shop/hello", token).json
        (request,) = waited(collector, 1)
        assert seen_by_function(fresh) == [request.trace, request.id]
        assert request.parent == ""

        collector.spans.clear()
        assert caller.ask("/shop/hello").status == 401
        (request,) = waited(collector, 1)
        assert request.attributes["error.type"] == "unauthorized"
        assert not request.failed  # a client's mistake (semantic conventions for HTTP spans)

        collector.spans.clear()
        meta = {"traceparent": f"00-{'c' * 32}-{CALLER}-01"}
        called = caller.send_rpc("/shop/mcp", token, "tools/call", name="hello", _meta=meta)
        result = called.receive().json["result"]
        request, call = waited(collector, 2)
        assert request.name == "POST /mcp"
        assert (call.name, call.trace, call.parent) == ("tools/call hello", "c" * 32, CALLER)
        assert seen_by_function(json.loads(result["content"][0]["text"])) == [call.trace, call.id]
        assert call.attributes["gen_ai.tool.name"] == "hello"

        collector.spans.clear()
        result = caller.rpc("/shop/mcp", token, "tools/call", name="hello").json["result"]
        request, call = waited(collector, 2)
        assert (call.trace, call.parent) == (request.trace, request.id)
        assert seen_by_function(json.loads(result["content"][0]["text"])) == [call.trace, call.id]
    assert collector.paths == {"/v1/traces"}
    assert token is not None
    assert token not in repr(collector.spans)


def test_a_caller_that_does_not_record_is_followed(tmp_path: Path, origin: Function) -> None:
    unsampled = f"00-{TRACE}-{CALLER}-00"
    with collecting() as collector, serving(tmp_path, "--traces", collector.url) as edge:
        token = edge.deploy("shop", origin.url).token
        told = edge.caller().ask("/shop/hello", token, headers={"traceparent": unsampled}).json
        assert told["seen"]["traceparent"] == unsampled
        assert edge.caller().ask("/shop/hello", token).status == 200
        (request,) = waited(collector, 1)
        assert request.trace != TRACE


def test_a_collector_that_is_away_holds_up_nobody(tmp_path: Path, origin: Function) -> None:
    with collecting() as collector, serving(tmp_path, "--traces", collector.url) as edge:
        collector.status = 400
        token = edge.deploy("shop", origin.url).token
        for _ in range(3):
            assert edge.caller().ask("/shop/hello", token).status == 200
        eventually(lambda: "Traces cannot be sent" in edge.program.output(), "a complaint")
        assert edge.program.output().count("Traces cannot be sent") == 1
    assert collector.spans == []


@pytest.mark.slow
def test_without_the_packages_the_edge_says_what_to_type(tmp_path: Path) -> None:
    absent = "import sys; sys.modules['opentelemetry.sdk'] = None"
    (tmp_path / "sitecustomize.py").write_text(absent)
    command = serve_command(tmp_path / "data", "--traces", "http://127.0.0.1:4318")
    done = run(command, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "pip install 'jelou-edge[traces]'" in done.stderr
