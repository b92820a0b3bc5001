"""What the MCP part of the benchmark sends, and which answers it lets count."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import calls, fleet, operations
from tests.benchmarks.load import mcp_clients
from tests.benchmarks.load.plain import whole
from tests.benchmarks.load.result import LoadError
from tests.benchmarks.opponents.model import HANDSHAKE, STATELESS, Endpoint, Mcp
from tests.benchmarks.opponents.table import MCP_OPPONENTS
from tests.benchmarks.upstream import ANSWER

ENDPOINT = Endpoint("/mcp", {"X-Key": "good"}, {"X-Key": "bad"}, operations.TOOL)
EVERYTHING = Mcp(lambda setup, programs: ENDPOINT)
CALL, LIST = calls.Exchange(), calls.Exchange(method="tools/list", tools=2)
TOOL = {"name": operations.TOOL, "inputSchema": {"type": "object"}}


def answer(result: Any, number: int = 7) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


def text(said: str, **more: Any) -> bytes:
    return answer({"content": [{"type": "text", "text": said}], **more})


RIGHT = text(ANSWER.decode())
SPACED = text(json.dumps(json.loads(ANSWER), indent=2))
EVENTS = b"event: message\r\ndata: " + RIGHT + b"\r\n\r\n"
BEGUN = b'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n'
TWO = answer({"tools": [TOOL, {**TOOL, "name": "other"}]})


@pytest.mark.parametrize(
    ("exchange", "body"),
    [(CALL, RIGHT), (CALL, SPACED), (CALL, EVENTS), (CALL, BEGUN + EVENTS), (LIST, TWO)],
)
def test_an_answer_that_says_all_counts_however_it_is_written(
    exchange: calls.Exchange, body: bytes
) -> None:
    assert calls.fault(200, body, 7, exchange) == ""


@pytest.mark.parametrize(
    ("exchange", "status", "body", "why"),
    [
        (CALL, 401, RIGHT, "status 401"),
        (CALL, 200, answer({}, 8), "answers 8"),
        (CALL, 200, b'{"jsonrpc":"2.0","id":7,"error":{"code":-32602}}', "no result"),
        (CALL, 200, text("not found", isError=True), "error of the tool"),
        (CALL, 200, text('{"ok":true}'), "another answer"),
        (CALL, 200, text("half of {"), "no result"),
        (CALL, 200, answer({"content": []}), "no result"),
        (CALL, 200, BEGUN, "no result"),
        (CALL, 200, b"", "no result"),
        (LIST, 200, answer({"tools": [TOOL]}), "1 tools of 2"),
        (LIST, 200, answer({"tools": [TOOL, TOOL], "nextCursor": "x"}), "tools of 2"),
        (LIST, 200, answer({"tools": [{**TOOL, "name": "x"}] * 2}), "is not among"),
        (LIST, 200, answer({"tools": [TOOL, {"name": "x", "inputSchema": {}}]}), "no result"),
    ],
)
def test_an_answer_that_is_wrong_does_not_count(
    exchange: calls.Exchange, status: int, body: bytes, why: str
) -> None:
    assert why in calls.fault(status, body, 7, exchange)


def test_a_stateless_request_says_in_its_head_what_its_body_says() -> None:
    known = calls.fields(ENDPOINT, STATELESS, "tools/call", "")
    [(number, body)] = calls.messages(CALL, ENDPOINT, EVERYTHING, count=1)
    said = json.loads(body)
    assert said["id"] == number
    assert known["Mcp-Method"] == said["method"]
    assert known["Mcp-Name"] == said["params"]["name"]
    version = said["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"]
    assert known["MCP-Protocol-Version"] == version == STATELESS
    assert "Mcp-Session-Id" not in known


def test_a_request_in_a_session_carries_its_id_and_nothing_of_the_stateless_revision() -> None:
    known = calls.fields(ENDPOINT, HANDSHAKE, "tools/call", "s-1")
    [(_, body)] = calls.messages(calls.Exchange("session"), ENDPOINT, EVERYTHING, count=1)
    assert known["Mcp-Session-Id"] == "s-1"
    assert known["MCP-Protocol-Version"] == HANDSHAKE
    assert "Mcp-Method" not in known
    assert "_meta" not in json.loads(body)["params"]


def test_ids_differ_and_are_of_one_length() -> None:
    made = calls.messages(CALL, ENDPOINT, EVERYTHING)
    assert len({body for _, body in made}) == len({number for number, _ in made}) == 1000
    assert {len(str(number)) for number, _ in made} == {4}
    assert made == calls.messages(CALL, ENDPOINT, EVERYTHING)


def test_tools_are_the_operations_of_the_document() -> None:
    document = json.loads(operations.document(12, 41002))
    paths = [
        (path, method.upper()) for path, known in document["paths"].items() for method in known
    ]
    assert [(tool["path"], tool["method"]) for tool in operations.tools(12)] == paths
    assert len(paths) == 12
    assert document["servers"] == [{"url": "http://127.0.0.1:41002"}]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{", None),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n \r\n0\r\n\r\n",
            b"{} ",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", None),
        (b"HTTP/1.1 200 OK\r\n", None),
    ],
)
def test_an_answer_is_read_to_its_end(data: bytes, expected: bytes | None) -> None:
    found = whole(data)
    assert (found[1] if found else None) == expected


def test_load_against_what_does_not_speak_mcp_fails_with_its_answer(tmp_path: Path) -> None:
    port = fleet.free_port()
    head = calls.head("/mcp", calls.fields(ENDPOINT, STATELESS, "tools/call", ""))
    messages = calls.messages(CALL, ENDPOINT, EVERYTHING, count=2)
    with fleet.Fleet() as started:
        fleet.function(started, tmp_path, port)
        with pytest.raises(LoadError, match=r"wrong answers .* no result: .*Ada Lovelace"):
            mcp_clients.run(mcp_clients.Task(port, 0.1, [head, head], messages, CALL))


def test_a_contender_without_the_stateless_revision_is_said_to_be_spoken_to_in_another() -> None:
    spoken = {each.name: each.mcp.spoken("stateless") for each in MCP_OPPONENTS if each.mcp}
    assert spoken["jelou, uvloop"] == STATELESS
    assert spoken["ContextForge"] == f"{HANDSHAKE}, issues no session"
