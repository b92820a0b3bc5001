"""Results that functions word themselves: relayed, checked, and asking their clients back."""

from typing import Any

import orjson
import pytest

from tests.support.mcp_function import by_name, whole
from tests.support.mcp_wire import McpClient, connected, refused, text_of
from tests.support.origin import Origin, Seen, Visit

LITERAL = "application/vnd.mcp.result+json"
CAN_BE_ASKED = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
QUESTION = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "Sure?",
        "requestedSchema": {"type": "object", "properties": {"sure": {"type": "boolean"}}},
    },
}
ANSWERS = {"q": {"action": "accept", "content": {"sure": True}}}
SECRET = "what the client must not read"


def literally(value: Any) -> Any:
    """Answers with a result in MCP's own form."""

    async def part(visit: Visit, _seen: Seen) -> None:
        await visit.send(whole(orjson.dumps(value), LITERAL))

    return part


async def asks_once(visit: Visit, seen: Seen) -> None:
    """Asks its client back, and answers with what it was told the second time."""
    told = orjson.loads(seen.values(b"x-jelou-mcp")[0])
    if "requestState" in told:
        result: dict[str, Any] = {
            "content": [{"type": "text", "text": orjson.dumps(told).decode()}]
        }
    else:
        result = {
            "resultType": "input_required",
            "inputRequests": {"q": QUESTION},
            "requestState": SECRET,
        }
    await visit.send(whole(orjson.dumps(result), LITERAL))


async def call(mcp: McpClient, name: str = "hold", arguments: Any = None, **more: Any) -> Any:
    """The answer to a stateless call of a client that can be asked."""
    params = {"name": name, "arguments": arguments or {}, **more}
    return await (await mcp.stateless("tools/call", params, meta=CAN_BE_ASKED)).result()


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_a_result_is_relayed_as_it_was_worded(
    mcp: McpClient, origin: Origin, revision: str
) -> None:
    result = {
        "content": [
            {"type": "text", "text": "hi", "annotations": {"audience": ["user"]}},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        ],
        "structuredContent": {"n": 1},
        "isError": True,
        "_meta": {"shop.example/x": 1},
    }
    origin.behaviour = by_name({"hold": literally(result)})
    if revision == "2025-11-25":
        reading = await mcp.call("hold", session=await mcp.session())
        answer = (await reading.result())["result"]
    else:
        answer = (await call(mcp))["result"]
        assert answer["resultType"] == "complete"
        assert answer["_meta"]["shop.example/x"] == 1
    for key in ("content", "structuredContent", "isError"):
        assert answer[key] == result[key]


@pytest.mark.parametrize(
    "bad",
    [
        {"content": "text"},
        {"content": [{"type": "unheard-of"}]},
        {"resultType": "later", "content": []},
        {"resultType": "input_required"},
        {"resultType": "input_required", "inputRequests": {"q": {"method": "tools/call"}}},
        {"content": [], "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "mine"}}},
        [],
        "x",
    ],
)
async def test_what_is_no_result_is_an_error_for_the_model(
    mcp: McpClient, origin: Origin, bad: Any
) -> None:
    origin.behaviour = by_name({"hold": literally(bad)})
    assert "no tool result" in refused(await call(mcp))
    assert "no tool result" in refused(await (await mcp.call("hold")).result())


async def test_a_client_is_asked_back_and_its_answers_and_the_state_reach_the_function(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": asks_once})
    asked = (await call(mcp, arguments={"a": 1, "b": 2}))["result"]
    assert asked["resultType"] == "input_required"
    assert asked["inputRequests"] == {"q": QUESTION}
    sealed = asked["requestState"]
    assert SECRET not in sealed
    retry = {"inputResponses": ANSWERS, "requestState": sealed}
    answer = await call(mcp, arguments={"b": 2, "a": 1}, **retry)
    told = orjson.loads(text_of(answer))
    assert told["requestState"] == SECRET
    assert told["inputResponses"] == ANSWERS
    assert told["clientCapabilities"] == {"elicitation": {"form": {}}}


async def sealed_state(mcp: McpClient, origin: Origin) -> str:
    """A state as a client got it, for a call of `hold` with `{"a": 1}`."""
    origin.behaviour = by_name(dict.fromkeys(("hold", "one"), asks_once))
    return str((await call(mcp, arguments={"a": 1}))["result"]["requestState"])


@pytest.mark.parametrize("turned", ["first", "middle", "last", "cut", "empty", "plain", "long"])
async def test_a_state_that_was_tampered_with_is_refused(
    mcp: McpClient, origin: Origin, turned: str
) -> None:
    state = await sealed_state(mcp, origin)
    at = {"first": 0, "middle": len(state) // 2, "last": len(state) - 3}.get(turned)
    if at is not None:
        state = state[:at] + ("A" if state[at] != "A" else "B") + state[at + 1 :]
    else:
        state = {"cut": state[:-4], "empty": "", "plain": SECRET, "long": state * 99}[turned]
    before = len(origin.seen)
    answer = await call(mcp, arguments={"a": 1}, requestState=state, inputResponses=ANSWERS)
    assert answer["error"]["code"] == -32602
    assert "requestState" in answer["error"]["message"]
    assert len(origin.seen) == before


@pytest.mark.parametrize("moved", ["tool", "arguments", "token"])
async def test_a_state_is_good_for_its_own_call_alone(
    mcp: McpClient, origin: Origin, moved: str
) -> None:
    state, before = await sealed_state(mcp, origin), len(origin.seen)
    retry = {"requestState": state, "inputResponses": ANSWERS}
    if moved == "token":
        async with connected(mcp.edge, mcp.version, mcp.edge.mint("other").secret) as other:
            answer = await call(other, arguments={"a": 1}, **retry)
    elif moved == "tool":
        answer = await call(mcp, "one", {"a": 1}, **retry)
    else:
        answer = await call(mcp, arguments={"a": 2}, **retry)
    assert answer["error"]["code"] == -32602
    assert len(origin.seen) == before


async def test_a_state_outlives_a_rotation_of_its_token(mcp: McpClient, origin: Origin) -> None:
    state = await sealed_state(mcp, origin)
    rotated = mcp.edge.token_service.rotate("shop", "default").secret
    async with connected(mcp.edge, mcp.version, rotated) as again:
        answer = await call(again, arguments={"a": 1}, requestState=state, inputResponses=ANSWERS)
    assert orjson.loads(text_of(answer))["requestState"] == SECRET


async def test_a_client_that_cannot_be_asked_is_told_what_it_lacks(
    mcp: McpClient, origin: Origin
) -> None:
    origin.behaviour = by_name({"hold": asks_once})
    reading = await mcp.stateless("tools/call", {"name": "hold"})
    answer = await reading.end()
    assert answer.status == 400
    assert answer.json["error"]["code"] == -32021
    assert answer.json["error"]["data"]["requiredCapabilities"] == {"elicitation": {"form": {}}}


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25"])
async def test_handshake_clients_are_told_that_they_cannot_be_asked(
    mcp: McpClient, origin: Origin, revision: str
) -> None:
    asks = {"resultType": "input_required", "inputRequests": {"q": QUESTION}}
    origin.behaviour = by_name({"hold": literally(asks)})
    session = await mcp.session(revision)
    text = refused(await (await mcp.call("hold", session=session)).result())
    assert revision in text
    assert "input" in text


async def test_what_a_client_says_of_itself_reaches_the_function_in_one_line_of_ascii(
    mcp: McpClient, origin: Origin
) -> None:
    odd = {"experimental": {"x\r\ny: ü\u007f": {"z": "\u2028"}}}
    meta = {"io.modelcontextprotocol/clientCapabilities": odd}
    reading = await mcp.stateless("tools/call", {"name": "echo"}, meta=meta)
    assert "result" in await reading.result()
    [value] = origin.seen[0].values(b"x-jelou-mcp")
    assert value.isascii()
    assert orjson.loads(value) == {"clientCapabilities": odd}


async def test_more_than_a_header_can_carry_is_an_error_for_the_model(
    mcp: McpClient, origin: Origin
) -> None:
    much = {"q": {"action": "accept", "content": {"text": "x" * 9000}}}
    text = refused(await call(mcp, "echo", inputResponses=much))
    assert "8000" in text
    assert origin.visits == 0
