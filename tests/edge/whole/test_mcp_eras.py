"""Functions that are MCP servers of one era, spoken for to clients of the other."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError

from edge.functions import Upstream
from tests.edge.whole.test_mcp_upstream import CALL, client, fields, url
from tests.support.calling import until
from tests.support.edge_in_process import EdgeInProcess
from tests.support.edge_in_process import running as running_edge
from tests.support.mcp_origin import TOOLS, McpOrigin, running
from tests.support.origin import Behaviour, Visit, hangs, refusing, serving

ERAS = {"only-handshake": "2026-07-28", "only-stateless": "legacy"}
"""Servers, and the clients that they do not know."""

BRIDGE = {"mcp": {"upstream": "/mcp", "bridge": True}}


@pytest.fixture(scope="module", params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """What the server speaks."""
    return str(request.param)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, era: str) -> Iterator[McpOrigin]:
    """A server of one era."""
    with running(McpOrigin(tmp_path_factory.mktemp("mcp") / "mcp.sock"), era) as origin:
        yield origin


@pytest.fixture
def server(started: McpOrigin) -> McpOrigin:
    """The same, as if it had just begun."""
    return started.forget()


def deploy(edge: EdgeInProcess, server: McpOrigin, **config: Any) -> None:
    """Put the edge before a server, to speak for it."""
    edge.deploy(Upstream("unix", socket=str(server.path)), **{**BRIDGE, **config})


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_a_client_of_either_era_lists_and_calls_tools(
    edge: EdgeInProcess, server: McpOrigin, mode: str
) -> None:
    deploy(edge, server)
    told: list[float] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    with anyio.fail_after(30):
        async with client(edge, mode) as mcp:
            listed = [tool.name for tool in (await mcp.list_tools()).tools]
            result = await mcp.call_tool("echo", {"text": "hi"})
            await mcp.call_tool("progress", {}, progress_callback=progressed)
            resources = await mcp.list_resources()
            named = None if mcp.server_info is None else mcp.server_info.name
    assert named == (None if mode == "2026-07-28" else "origin")  # which asks nobody
    assert listed == list(TOOLS)
    assert result.content[0].text == "echo: hi"
    assert told == [1, 2]
    assert [resource.name for resource in resources.resources] == ["a"]


@pytest.mark.parametrize("asks", ["auto", "own"])
async def test_a_token_of_one_tool_lists_and_calls_that_alone(
    edge: EdgeInProcess, server: McpOrigin, era: str, asks: str
) -> None:
    deploy(edge, server)
    token = edge.mint("some", scopes=["tool:echo"]).secret
    with anyio.fail_after(30):
        async with client(edge, asks if asks == "auto" else ERAS[era], token) as mcp:
            listed = [tool.name for tool in (await mcp.list_tools()).tools]
            result = await mcp.call_tool("echo", {"text": "hi"})
            with pytest.raises(MCPError) as refused:
                await mcp.call_tool("secret", {})
            with pytest.raises(MCPError) as unknown:
                await mcp.list_resources()
    assert listed == ["echo"]
    assert result.content[0].text == "echo: hi"
    assert (refused.value.code, unknown.value.code) == (-32602, -32601)
    assert server.seen().calls == ["echo"]


async def test_leaving_a_call_ends_it_at_the_server(
    edge: EdgeInProcess, server: McpOrigin, era: str
) -> None:
    deploy(edge, server)

    async def leave(leaving: anyio.CancelScope) -> None:
        await until(lambda: "wait" in server.seen().calls)
        leaving.cancel()

    with anyio.fail_after(30):
        http = httpx2.AsyncClient(headers=fields(edge.token), timeout=20)
        async with http, anyio.create_task_group() as tasks:
            tasks.start_soon(leave, tasks.cancel_scope)
            await http.post(url(edge), **_call_of("wait", ERAS[era]))
        await until(lambda: server.seen().cancelled)


def _call_of(tool: str, mode: str, **arguments: str) -> dict[str, Any]:
    """A call as the client of an era sends it."""
    if mode == "legacy":
        call = json.loads(CALL)
        return {"json": {**call, "params": {"name": tool, "arguments": arguments}}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": mode,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return {
        "json": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
        "headers": {"MCP-Protocol-Version": mode, "Mcp-Method": "tools/call", "Mcp-Name": tool},
    }


async def test_a_server_that_is_down_is_no_success(
    edge: EdgeInProcess, tmp_path: Path, era: str
) -> None:
    asked = _call_of("echo", ERAS[era])
    async with httpx2.AsyncClient(headers=fields(edge.mint().secret)) as http:
        with running(McpOrigin(tmp_path / "mcp.sock"), era) as server:
            deploy(edge, server)
            assert (await http.post(url(edge), **asked)).status_code == 200
        known = await http.post(url(edge), **asked)
        edge.deploy(refusing(), **BRIDGE)
        unknown = await http.post(url(edge), **asked)
    assert unknown.status_code == 502
    assert unknown.json()["error"]["data"]["code"] == "upstream_unreachable"
    if era == "only-handshake":
        assert known.status_code == 502
    else:  # whose answer has begun when the function is asked
        assert '"code":-32000' in known.text


ASKED = pytest.mark.parametrize(
    ("trouble", "mode"), [("initialize", "legacy"), ("server/discover", "2026-07-28")]
)
"""What a server is asked, and the client that needs to know."""


@ASKED
async def test_a_server_that_cannot_be_asked_is_not_taken_to_be_of_the_other_era(
    edge: EdgeInProcess, trouble: str, mode: str
) -> None:
    troubled = {trouble: b""}
    async with serving(_of_both_eras(troubled)) as origin:
        edge.deploy(origin.upstream, **BRIDGE)
        async with httpx2.AsyncClient(headers=fields(edge.token)) as http:
            first = await http.post(url(edge), **_call_of("echo", mode))
            troubled.clear()
            second = await http.post(url(edge), **_call_of("echo", mode))
    assert first.status_code == 502
    assert first.json()["error"]["data"]["code"] == "upstream_unreachable"
    assert (second.status_code, second.headers["x-own"]) == (200, "1")


async def test_a_server_that_does_not_say_what_it_speaks_has_not_answered(
    edge: EdgeInProcess,
) -> None:
    async with serving(hangs) as origin:
        edge.deploy(origin.upstream, **BRIDGE, timeout=200)
        async with httpx2.AsyncClient(headers=fields(edge.token)) as http:
            answer = await http.post(url(edge), **_call_of("echo", "legacy"))
    assert answer.status_code == 504
    assert answer.json()["error"]["data"]["code"] == "upstream_timeout"


@ASKED
@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_server_that_is_busy_when_it_is_asked_is_passed_through_to(
    edge: EdgeInProcess, trouble: str, mode: str, status: int
) -> None:
    busy = b"HTTP/1.1 %d Busy\r\ncontent-length: 0\r\n\r\n" % status
    async with serving(_of_both_eras({trouble: busy})) as origin:
        edge.deploy(origin.upstream, **BRIDGE)
        async with httpx2.AsyncClient(headers=fields(edge.token)) as http:
            answer = await http.post(url(edge), **_call_of("echo", mode))
    assert (answer.status_code, answer.headers["x-own"]) == (200, "1")


def _of_both_eras(troubled: Mapping[str, bytes]) -> Behaviour:
    """A server that answers messages of some methods otherwise; with nothing: it resets."""
    answers = {
        "initialize": types.InitializeResult(
            protocol_version="2025-11-25",
            capabilities=types.ServerCapabilities(),
            server_info=types.Implementation(name="both", version="1"),
        ),
        "server/discover": types.DiscoverResult(
            supported_versions=["2026-07-28"], capabilities=types.ServerCapabilities()
        ),
        "tools/call": types.CallToolResult(content=[]),
    }

    async def behave(visit: Visit) -> None:
        while True:
            message = json.loads((await visit.request()).body)
            trouble = troubled.get(message["method"])
            if trouble == b"":
                visit.reset()
                return
            if trouble is not None:
                await visit.send(trouble)
                continue
            if "id" not in message:
                await visit.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
                continue
            result = answers[message["method"]].model_dump(by_alias=True, exclude_none=True)
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
            head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-own: 1\r\n"
            await visit.send(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)

    return behave


async def test_a_revision_that_nobody_knows_is_answered_with_those_that_are_spoken(
    edge: EdgeInProcess, server: McpOrigin, era: str
) -> None:
    deploy(edge, server)
    async with httpx2.AsyncClient(headers=fields(edge.token)) as http:
        answer = await http.post(url(edge), **_call_of("echo", "2999-01-01"))
    assert answer.status_code == 400
    error = answer.json()
    assert (error["id"], error["error"]["code"]) == (1, -32022)
    assert "2026-07-28" in error["error"]["data"]["supported"]
    assert server.seen().calls == []


async def test_what_has_no_meaning_across_is_refused(
    edge: EdgeInProcess, server: McpOrigin, era: str
) -> None:
    deploy(edge, server)
    revision = {"MCP-Protocol-Version": ERAS[era]} if era == "only-handshake" else {}
    async with httpx2.AsyncClient(headers={**fields(edge.token), **revision}) as http:
        for method in ("GET", "DELETE"):
            answer = await http.request(method, url(edge))
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_what_both_speak_passes_as_it_is(
    edge: EdgeInProcess, server: McpOrigin, era: str
) -> None:
    deploy(edge, server)
    own = "legacy" if era == "only-handshake" else "2026-07-28"
    with anyio.fail_after(30):
        async with client(edge, own) as mcp:
            await mcp.call_tool("echo", {})
    assert server.seen().heads[-1][2].get("user-agent", "").startswith("python-httpx")


async def test_the_function_sees_who_calls(
    edge: EdgeInProcess, server: McpOrigin, era: str
) -> None:
    deploy(edge, server)
    async with httpx2.AsyncClient(headers={**fields(edge.token), "X-Own": "1"}) as http:
        answer = await http.post(url(edge), **_call_of("echo", ERAS[era]))
    assert answer.status_code == 200
    for _, _, seen in server.seen().heads:
        assert (seen["x-jelou-trigger"], seen["x-jelou-token-name"]) == ("mcp", "default")
        assert seen["x-own"] == "1"
        assert "x-jelou-token" not in seen


async def test_an_answer_over_the_limit_is_no_answer(tmp_path: Path, era: str) -> None:
    asked = _call_of("echo", ERAS[era])
    big = _call_of("echo", ERAS[era], text="x" * 20_000)
    async with running_edge(tmp_path, tool_result=10_000) as edge:
        with running(McpOrigin(tmp_path / "mcp.sock"), era, "json") as server:
            deploy(edge, server)
            async with httpx2.AsyncClient(headers=fields(edge.token)) as http:
                answers = [await http.post(url(edge), **each) for each in (asked, big)]
    assert answers[0].status_code == 200
    assert "xxxx" not in answers[1].text
    assert "error" in answers[1].text
