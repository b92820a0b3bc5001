"""What is deployed as files, questions as requests, answers as the model has them. Pure."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from tests.model.questions import MADE_UP, Address, Question
from tests.model.world import UNKNOWN_TOOL, Answer, Config
from tests.support import http1_client
from tests.support.mcp_wire import ENVELOPE, JSON_AND_EVENTS, STATELESS
from tests.support.origin import Seen, Visit
from tests.support.whole_edge import MCP_REVISION, UNAUTHORIZED

NEVER_MADE = "jfn_rt_" + "0" * 32 + "2Freyo"
DOMAIN = "fn.localhost"

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_PATHS = {
    "/orders": {"get": {"operationId": "listOrders"}, "post": {"operationId": "addOrder"}},
    "/orders/{id}": {"get": {"operationId": "getOrder", "parameters": [_ID]}},
}
DOCUMENT = json.dumps(
    {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1"}, "paths": _PATHS}
)


@dataclass(frozen=True)
class Request:
    """What is sent."""

    host: str
    target: str
    method: str
    fields: list[tuple[str, str]]
    body: bytes | None


def project_of(slug: str, config: Config, upstream: str) -> str:
    """The project file that says this."""
    tools: dict[str, Any] = {}
    for name, public in config.tools:
        tools.setdefault(name, {"operationId": name, "config": {}})["config"]["public"] = public
    for name in config.hidden:
        tools.setdefault(name, {"operationId": name, "config": {}})["config"]["mcp"] = False
    written = {
        "function": slug,
        "upstream": upstream,
        "openapi": "./openapi.json",
        "hosts": sorted(config.hosts),
        "tools": tools,
        "config": {
            "public": config.public,
            "mcp": config.mcp,
            "openRoutes": config.open_routes,
            "methods": list(config.methods),
        },
    }
    return json.dumps(written)


def request_of(question: Question, tokens: list[str], sessions: list[str]) -> Request:
    """A question as a request; secrets and session ids are found by their numbers."""
    fields: list[tuple[str, str]] = []
    if question.token is not None:
        secret = NEVER_MADE if question.token == MADE_UP else tokens[question.token]
        fields.append(("x-jelou-token", secret))
    if question.session is not None:
        fields.append(("mcp-session-id", sessions[question.session]))
    method = "DELETE" if question.kind == "end" else question.method
    body: bytes | None = b"{}" if method == "POST" else None
    if question.kind in ("list", "call", "open"):
        more, message = _message(question)
        fields += more
        body = orjson.dumps(message)
    if body is not None:
        fields.append(("content-type", "application/json"))
    host, prefix = _place(question.address)
    return Request(host, prefix + question.path, method, fields, body)


def _place(address: Address) -> tuple[str, str]:
    """The host, and what stands before the path."""
    match address.form:
        case "host":
            return f"{address.name}.{DOMAIN}", ""
        case "path":
            return "localhost", f"/{address.name}"
        case "custom":
            return address.name, ""
        case "edge":
            return "localhost", ""


def _message(question: Question) -> tuple[list[tuple[str, str]], Any]:
    """The fields of MCP's own, and the message."""
    method = {"list": "tools/list", "call": "tools/call", "open": "initialize"}[question.kind]
    params: dict[str, Any] = {}
    if question.kind == "call":
        arguments = {"id": "7"} if question.tool.endswith("getOrder") else {}
        params = {"name": question.tool, "arguments": arguments}
    if question.kind == "open":
        who = {"name": "model", "version": "1"}
        params = {"protocolVersion": MCP_REVISION, "capabilities": {}, "clientInfo": who}
    fields = [("accept", JSON_AND_EVENTS)]
    if question.stateless:
        params["_meta"] = ENVELOPE
        fields += [("mcp-protocol-version", STATELESS), ("mcp-method", method)]
        fields += [("mcp-name", question.tool)] if question.tool else []
    return fields, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def answer_of(question: Question, answer: http1_client.Answer) -> Answer:
    """An answer in the model's words."""
    assert answer.whole, f"cut off: {answer}"
    if answer.status == 401:
        realm = answer.one("www-authenticate").removeprefix('JelouToken realm="').removesuffix('"')
        assert bytes(answer.body) in (UNAUTHORIZED, b""), answer
        return Answer(401, realm)
    if question.kind in ("list", "call"):
        return _mcp_answer(question, answer)
    if answer.status != 200 or question.kind != "http":
        return Answer(answer.status)
    if question.path == "/__health":
        return Answer(200, answer.json["deployment"])
    if question.path == "/openapi.json":
        return Answer(200, answer.json["security"] != [])
    return Answer(200, tuple(orjson.loads(answer.one("x-saw"))))


def _mcp_answer(question: Question, answer: http1_client.Answer) -> Answer:
    said = answer.json
    error = said.get("error")
    if isinstance(error, dict) and error["code"] == UNKNOWN_TOOL:
        return Answer(UNKNOWN_TOOL)
    if answer.status != 200:
        return Answer(answer.status)
    result = said["result"]
    if question.kind == "list":
        return Answer(200, frozenset(tool["name"] for tool in result["tools"]))
    if result.get("isError"):
        return Answer(200, result)
    return Answer(200, tuple(orjson.loads(result["content"][0]["text"])["saw"]))


async def tells_who_called(visit: Visit) -> None:
    """A function that answers with what the edge told it of the caller."""
    while True:
        seen = await visit.request()
        saw = orjson.dumps([*_told(seen), f"{seen.method.decode()} {seen.target.decode()}"])
        body = b'{"saw":%b}' % saw
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-saw: %b\r\n" % saw
        end = b"content-length: %d\r\n\r\n" % len(body)
        await visit.send(head + end + (b"" if seen.method == b"HEAD" else body))


def _told(seen: Seen) -> list[str | None]:
    names = (b"x-jelou-function", b"x-jelou-deployment", b"x-jelou-token-id", b"x-jelou-trigger")
    values = [seen.values(name) for name in names]
    assert all(len(value) <= 1 for value in values), seen.headers
    return [value[0].decode() if value else None for value in values]
