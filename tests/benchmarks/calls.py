"""The MCP requests of the load, made once, and what their answers have to be. Pure.

A client keeps its connection and, on 2025-11-25, its session: heads are alike from call to call,
bodies differ in id, length and content.
"""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.benchmarks import traffic
from tests.benchmarks.operations import TOOL
from tests.benchmarks.opponents.model import HANDSHAKE, STATELESS, Endpoint, Era, Mcp
from tests.benchmarks.upstream import ANSWER

Method = Literal["tools/call", "tools/list"]

COUNT = 1000
FIRST = 1000
"""Ids are counted from here, so that all have as many digits."""

_ARGUMENT_BYTES = 200
_CLIENT = {"name": "bench", "version": "1.0.0"}
_META = "io.modelcontextprotocol/"
_EXPECTED = json.loads(ANSWER)

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the requests of an MCP scenario have in common.

    Attributes:
        era: whether they are the stateless revision's or those of a session.
        tools: how many there are.
    """

    era: Era = "stateless"
    method: Method = "tools/call"
    tools: int = 10


def fields(
    endpoint: Endpoint, revision: str, method: str, session: str, *, refused: bool = False
) -> dict[str, str]:
    """The header fields of a request but for its length (MCP, Streamable HTTP transport)."""
    known = {
        "Host": traffic.HOST,
        "User-Agent": "bench/1.0.0",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        **(endpoint.refused if refused else endpoint.fields),
    }
    if method != "initialize":
        known["MCP-Protocol-Version"] = revision
    if revision == STATELESS:
        known["Mcp-Method"] = method
        known |= {"Mcp-Name": endpoint.tool} if method == "tools/call" else {}
    return known | ({"Mcp-Session-Id": session} if session else {})


def head(path: str, known: Mapping[str, str]) -> str:
    """A request head up to where its length has to be added."""
    return "\r\n".join([f"POST {path} HTTP/1.1", *(f"{n}: {v}" for n, v in known.items()), ""])


def initialize() -> Message:
    """The first message of a session."""
    params = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}


def messages(
    exchange: Exchange, endpoint: Endpoint, mcp: Mcp, count: int = COUNT
) -> list[tuple[int, str]]:
    """Ids and bodies of so many requests; the same on every run."""
    chance = random.Random(1)
    meta = _meta() if mcp.revision(exchange.era) == STATELESS else {}
    made = []
    for number in range(FIRST, FIRST + count):
        params = _params(exchange.method, endpoint, chance)
        message = {"jsonrpc": "2.0", "id": number, "method": exchange.method}
        made.append((number, json.dumps({**message, "params": {**params, **meta}})))
    return made


def _params(method: Method, endpoint: Endpoint, chance: random.Random) -> Message:
    if method == "tools/list":
        return {}
    given = json.loads(traffic.body(_ARGUMENT_BYTES, chance))
    return {"name": endpoint.tool, "arguments": {"body": given} if endpoint.nested else given}


def _meta() -> Message:
    return {
        "_meta": {
            f"{_META}protocolVersion": STATELESS,
            f"{_META}clientInfo": _CLIENT,
            f"{_META}clientCapabilities": {},
        }
    }


def answer(body: bytes) -> Message:
    """The response in a body of JSON or of events. Raises ValueError if there is none."""
    text = body
    if body.startswith((b"event:", b"data:", b"id:", b":", b"retry:")):
        data = [line[5:] for line in body.splitlines() if line.startswith(b"data:")]
        text = next((each for each in data if b'"id"' in each), b"")
    found: Message = json.loads(text)
    return found


def fault(status: int, body: bytes, number: int, exchange: Exchange) -> str:
    """What is wrong with an answer to this id; empty if nothing is."""
    if status != 200:
        return f"status {status}: {body[:200]!r}"
    try:
        said = answer(body)
        result = said["result"]
        if said["id"] != number:
            return f"answers {said['id']!r}, not {number}"
        check = _call_fault if exchange.method == "tools/call" else _list_fault
        return check(result, exchange)
    except (ValueError, LookupError, TypeError):
        return f"no result: {body[:300]!r}"


def _call_fault(result: Message, exchange: Exchange) -> str:
    """A call gives what the function has answered, whole."""
    del exchange
    if result.get("isError"):
        return f"an error of the tool: {result['content']}"
    same = json.loads(result["content"][0]["text"]) == _EXPECTED
    return "" if same else f"another answer than the function's: {result['content']}"


def _list_fault(result: Message, exchange: Exchange) -> str:
    """A list gives every tool on one page, each with the schema of an object."""
    found = [tool for tool in result["tools"] if tool["inputSchema"]["type"] == "object"]
    if len(found) < exchange.tools or "nextCursor" in result:
        return f"{len(found)} tools of {exchange.tools}"
    name = TOOL.replace("_", "-")
    named = any(tool["name"].replace("_", "-").endswith(name) for tool in found)
    return "" if named else f"{TOOL} is not among {len(found)} tools"
