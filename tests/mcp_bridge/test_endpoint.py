"""`/mcp` as raw HTTP: identity, lists, calls and what becomes of answers."""

import json
from typing import Any

import anyio
import pytest

from mcp_bridge.catalog import build
from mcp_bridge.specs import ToolSpec
from mcp_bridge.tools import InvocationError, ToolRequest, ToolResponse
from tests.mcp_bridge.serving import SHOP, document, response, serving

HANDSHAKE = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


def called(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


@pytest.mark.parametrize("revision", HANDSHAKE)
async def test_initialize_names_the_function_and_mints_a_session(revision: str) -> None:
    async with serving(title="The shop", description="Sells things") as edge:
        answer = await edge.initialize(revision)
        result = answer.json()["result"]
        assert answer.status_code == 200
        assert result["protocolVersion"] == revision
        assert result["serverInfo"]["name"] == "shop"
        assert result["serverInfo"]["version"] == "dep_abc12345"
        assert result["serverInfo"]["title"] == "The shop"
        assert result["instructions"] == "Sells things"
        assert set(result["capabilities"]) <= {"tools", "experimental"}
        session = answer.headers["mcp-session-id"]
        assert session.isascii()
        assert len(session) < 1024


async def test_an_unknown_revision_is_answered_with_the_newest_handshake_one() -> None:
    async with serving() as edge:
        assert (await edge.initialize("1999-01-01")).json()["result"]["protocolVersion"] == (
            "2025-11-25"
        )


async def test_a_failed_initialize_mints_no_session() -> None:
    async with serving() as edge:
        answer = await edge.call("initialize", {"capabilities": {}})
        assert answer.json()["error"]["code"] == -32602
        assert "mcp-session-id" not in answer.headers


async def test_discover_names_the_function_and_mints_no_session() -> None:
    async with serving(description="Sells things") as edge:
        answer = await edge.stateless("server/discover")
        result = answer.json()["result"]
        assert result["supportedVersions"] == ["2026-07-28"]
        assert result["instructions"] == "Sells things"
        assert result["capabilities"]["tools"] is not None
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "shop"
        assert "mcp-session-id" not in answer.headers


async def test_every_function_has_its_own_identity_on_one_bridge() -> None:
    async with serving() as edge:
        names: dict[str, str] = {}

        async def ask(slug: str) -> None:
            answer = await edge.initialize(**{"x-function": slug})
            names[slug] = answer.json()["result"]["serverInfo"]["name"]

        async with anyio.create_task_group() as tasks:
            for slug in ("a", "b", "c"):
                tasks.start_soon(ask, slug)
        assert names == {"a": "a", "b": "b", "c": "c"}


async def test_ping_is_answered_on_handshake_revisions_alone() -> None:
    async with serving() as edge:
        assert (await edge.call("ping")).json()["result"] == {}
        answer = await edge.stateless("ping")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)


async def test_a_tool_shows_all_four_hints_title_and_schema() -> None:
    async with serving() as edge:
        tools = (await edge.call("tools/list")).json()["result"]["tools"]
        order = tools[1]
        assert order["name"] == "getOrder"
        assert order["title"] == "One order"
        assert order["annotations"] == {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": True,
        }
        assert list(order["inputSchema"]["properties"]) == ["id", "X-Note", "limit"]
        assert order["inputSchema"]["required"] == ["id"]


async def test_the_stateless_list_is_private_and_says_how_long_it_is_fresh() -> None:
    async with serving() as edge:
        result = (await edge.stateless("tools/list")).json()["result"]
        assert result["cacheScope"] == "private"
        assert result["ttlMs"] > 0
        assert result["resultType"] == "complete"


@pytest.mark.parametrize("stateless", [False, True])
async def test_a_list_holds_only_what_the_token_may_call(stateless: bool) -> None:
    async with serving() as edge:
        edge.scopes = ("tool:getOrder",)
        send = edge.stateless if stateless else edge.call
        tools = (await send("tools/list")).json()["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["getOrder"]
        answer = await send("tools/call", called("createOrder", item="x"))
        assert answer.json()["error"]["code"] == -32602
        assert edge.function.requests == []


async def test_without_a_token_a_public_function_shows_its_public_tools() -> None:
    catalog = build(SHOP, [ToolSpec("createOrder", public=False)])
    async with serving(catalog, public=True) as edge:
        mine = (await edge.call("tools/list")).json()["result"]["tools"]
        theirs = (await edge.call("tools/list", headers={"x-caller": "nobody"})).json()
        assert [tool["name"] for tool in mine] == ["createOrder", "getOrder"]
        assert [tool["name"] for tool in theirs["result"]["tools"]] == ["getOrder"]


async def test_lists_over_a_thousand_tools_come_in_pages() -> None:
    paths = {f"/thing{n:04}": {"get": {}} for n in range(1500)}
    async with serving(build(document(paths))) as edge:
        first = (await edge.call("tools/list")).json()["result"]
        second = (await edge.call("tools/list", {"cursor": first["nextCursor"]})).json()["result"]
        names = [tool["name"] for tool in first["tools"] + second["tools"]]
        assert len(first["tools"]) == 1000
        assert names == sorted(names)
        assert len(set(names)) == 1500
        assert "nextCursor" not in second


async def test_a_cursor_that_is_none_of_ours_is_refused() -> None:
    async with serving() as edge:
        answer = await edge.call("tools/list", {"cursor": "AAAA"})
        assert answer.json()["error"]["code"] == -32602


@pytest.mark.parametrize("stateless", [False, True])
async def test_arguments_against_the_schema_are_told_with_their_path(stateless: bool) -> None:
    async with serving() as edge:
        send = edge.stateless if stateless else edge.call
        answer = await send("tools/call", called("getOrder", id="1", limit="many"))
        result = answer.json()["result"]
        assert result["isError"] is True
        assert "$.limit: " in result["content"][0]["text"]
        assert "structuredContent" not in result
        assert edge.function.requests == []


@pytest.mark.parametrize("value", [".", "..", ""])
async def test_a_value_that_would_be_a_dot_segment_or_empty_is_an_error(value: str) -> None:
    async with serving() as edge:
        result = (await edge.call("tools/call", called("getOrder", id=value))).json()["result"]
        assert result["isError"] is True
        assert "$.id" in result["content"][0]["text"]
        assert edge.function.requests == []


async def test_a_value_with_slashes_stays_in_its_segment() -> None:
    async with serving() as edge:
        await edge.call("tools/call", called("getOrder", id="../secret"))
        assert edge.function.requests[0].target == b"/orders/..%2Fsecret"


async def test_a_header_argument_cannot_start_a_new_line() -> None:
    async with serving() as edge:
        arguments = {"id": "1", "X-Note": "a\r\nX-Jelou-Token: stolen"}
        result = (await edge.call("tools/call", called("getOrder", **arguments))).json()["result"]
        assert result["isError"] is True
        assert edge.function.requests == []


async def test_an_unknown_tool_is_invalid_params() -> None:
    async with serving() as edge:
        answer = await edge.call("tools/call", called("nothing"))
        assert answer.status_code == 200
        assert answer.json()["error"]["code"] == -32602
        assert (await edge.stateless("tools/call", called("nothing"))).status_code == 400


@pytest.mark.parametrize("revision", HANDSHAKE)
async def test_a_json_object_is_text_and_structured_where_the_revision_knows_it(
    revision: str,
) -> None:
    async with serving() as edge:
        session = await edge.session(revision)
        headers = {"mcp-session-id": session}
        answer = await edge.call("tools/call", called("createOrder", item="x"), headers)
        result = answer.json()["result"]
        assert json.loads(result["content"][0]["text"])["body"] == '{"item":"x"}'
        assert ("structuredContent" in result) == (revision >= "2025-06-18")


async def test_other_json_is_structured_on_the_stateless_revision_alone() -> None:
    async with serving() as edge:

        async def listing(request: ToolRequest) -> ToolResponse:
            return response([1, 2])

        edge.function.answer = listing
        old = (await edge.call("tools/call", called("createOrder", item="x"))).json()["result"]
        new = await edge.stateless("tools/call", called("createOrder", item="x"))
        assert "structuredContent" not in old
        assert new.json()["result"]["structuredContent"] == [1, 2]
        assert old["content"][0]["text"] == "[1, 2]"


@pytest.mark.parametrize("stateless", [False, True])
async def test_what_goes_wrong_inside_never_reaches_the_wire(stateless: bool) -> None:
    async with serving() as edge:

        async def broken(request: ToolRequest) -> ToolResponse:
            raise RuntimeError("secret of the house")

        edge.function.answer = broken
        send = edge.stateless if stateless else edge.call
        answer = await send("tools/call", called("getOrder", id="1"))
        assert answer.json()["result"]["isError"] is True
        assert "secret of the house" not in answer.text


async def test_a_refusal_of_the_gate_is_told_to_the_model() -> None:
    async with serving() as edge:

        async def late(request: ToolRequest) -> ToolResponse:
            raise InvocationError("upstream_timeout", "The function did not answer in time.")

        edge.function.answer = late
        result = (await edge.call("tools/call", called("getOrder", id="1"))).json()["result"]
        assert result["isError"] is True
        assert result["content"] == [
            {"type": "text", "text": "The function did not answer in time."}
        ]


async def test_a_result_over_the_limit_is_an_error() -> None:
    async with serving() as edge:

        async def huge(request: ToolRequest) -> ToolResponse:
            return response(b"x" * (4 * 1024 * 1024 + 1), content_type="text/plain")

        edge.function.answer = huge
        result = (await edge.call("tools/call", called("getOrder", id="1"))).json()["result"]
        assert result["isError"] is True
        assert "4194304" in result["content"][0]["text"]


async def test_trace_context_and_configured_fields_reach_the_function() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serving(forward_headers=("X-Tenant", "Host", "X-Jelou-Token")) as edge:
        params = {**called("getOrder", id="1"), "_meta": {"traceparent": trace}}
        headers = {"x-tenant": "acme", "x-other": "no", "x-jelou-token": "t"}
        await edge.call("tools/call", params, headers)
        sent = dict(edge.function.requests[0].headers)
        assert sent[b"traceparent"] == trace.encode()
        assert sent[b"x-tenant"] == b"acme"
        assert sent[b"accept"] == b"application/json, */*;q=0.5"
        assert sent.keys() == {b"accept", b"traceparent", b"x-tenant"}


async def test_a_violated_output_schema_is_an_error() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    content = {"application/json": {"schema": schema}}
    paths = {"/n": {"get": {"operationId": "n", "responses": {"200": {"content": content}}}}}
    async with serving(build(document(paths))) as edge:

        async def wrong(request: ToolRequest) -> ToolResponse:
            return response({"n": "many"})

        session = await edge.session()
        shown = (await edge.call("tools/list", headers={"mcp-session-id": session})).json()
        assert shown["result"]["tools"][0]["outputSchema"] == schema
        unsaid = (await edge.call("tools/list")).json()["result"]["tools"][0]
        assert "outputSchema" not in unsaid
        edge.function.answer = wrong
        result = (await edge.call("tools/call", called("n"))).json()["result"]
        assert result["isError"] is True
        assert "$.n: " in result["content"][0]["text"]


async def test_calls_with_equal_ids_in_flight_are_independent() -> None:
    async with serving() as edge:
        session = {"mcp-session-id": await edge.session()}
        both = anyio.Event()
        answers: dict[str, Any] = {}

        async def together(request: ToolRequest) -> ToolResponse:
            if len(edge.function.requests) == 2:
                both.set()
            await both.wait()
            return response({"target": request.target.decode()})

        async def call(order: str) -> None:
            answer = await edge.call("tools/call", called("getOrder", id=order), session)
            answers[order] = answer.json()["result"]["structuredContent"]["target"]

        edge.function.answer = together
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "a")
                tasks.start_soon(call, "b")
        assert answers == {"a": "/orders/a", "b": "/orders/b"}
