"""What is answered without the SDK's server is what that server would have answered.

Allowed to differ, each because the SDK's server is never asked in its place: `requestState` and
`inputResponses`, which only the bridge opens; results that ask the client back; progress.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings

from mcp_bridge.admission import McpHead
from mcp_bridge.catalog import build
from mcp_bridge.checks import MOST_SOUND
from mcp_bridge.endpoint import Endpoint, McpRequest
from mcp_bridge.judging import ForSdk
from mcp_bridge.specs import ToolSpec
from tests.mcp_bridge.differential import (
    CALLS,
    ENDPOINT,
    IDS,
    LISTS,
    METAS,
    RAW,
    REVISIONS,
    SEARCHING,
    STILL,
    WRONG,
    answer,
    asking,
    headers_for,
    posted,
    requests,
)
from tests.mcp_bridge.serving import ENVELOPE, STATELESS, principal
from tests.mcp_bridge.twice import Told, Twice, twice

CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


async def compare(both: Twice, endpoint: Endpoint, request: McpRequest) -> Told | None:
    """Hold the two equal; what came without the SDK's server, if anything did."""
    outcome = both.judged(endpoint, request)
    ours = await both.without_sdk(endpoint, request, outcome)
    theirs = await both.by_sdk(endpoint, request)
    if isinstance(outcome, ForSdk):
        assert theirs is not None
        if outcome.message.method in ("tools/call", "tools/list"):
            assert not theirs.accepted, "left to the SDK, though it is a common call"
    if ours is None or not ours.accepted:
        assert ours is None or ours.asked == []
        return ours
    assert theirs is not None, "accepted what is no message"
    assert theirs.accepted, f"the SDK refuses it: {theirs.told}"
    assert (ours.status, ours.text) == (theirs.status, theirs.text)
    assert ours.asked == theirs.asked
    return ours


@pytest.mark.parametrize("revision", REVISIONS)
async def test_calls_are_answered_as_the_sdk_answers_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for name, params in CALLS.items():
            for endpoint in (ENDPOINT, SEARCHING):
                ours = await compare(both, endpoint, asking("tools/call", params, revision))
                assert ours is not None or not name.startswith("say")


@pytest.mark.parametrize("revision", REVISIONS)
async def test_lists_are_answered_as_the_sdk_answers_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for params in LISTS:
            for endpoint in (ENDPOINT, SEARCHING, replace(ENDPOINT, principal=None)):
                await compare(both, endpoint, asking("tools/list", params, revision))


@pytest.mark.parametrize("revision", [None, STATELESS])
async def test_ids_come_back_as_the_sdk_returns_them(revision: str | None) -> None:
    async with twice(answer) as both:
        for rpc_id in IDS:
            for method, params in (("tools/list", {}), ("tools/call", {"name": "still"})):
                request = asking(method, params, revision, rpc_id)
                ours = await compare(both, ENDPOINT, request)
                assert ours is not None
                assert ours.told["id"] == rpc_id


@pytest.mark.parametrize("revision", [None, STATELESS])
@pytest.mark.parametrize("name", RAW)
async def test_odd_texts_are_read_as_the_sdk_reads_them(name: str, revision: str | None) -> None:
    body = RAW[name].replace(b"%b", json.dumps(ENVELOPE).encode())
    async with twice(answer) as both:
        for tool in ("still", "hidden", "save"):
            meant = {"method": "tools/call", "params": {"name": tool}}
            request = posted(headers_for(meant, revision), body)
            await compare(both, ENDPOINT, request)


@pytest.mark.parametrize("name", WRONG)
async def test_headers_are_held_against_the_body_as_by_the_sdk(name: str) -> None:
    call = {"name": "go", "arguments": {"region": "eu", "count": 42, "on": True}}
    async with twice(answer) as both:
        for method, params in (("tools/call", call), ("tools/list", {}), ("tools/call", {**STILL})):
            for revision in (STATELESS, "2025-11-25"):
                good = asking(method, params, revision)
                sent = WRONG[name](list(good.headers))
                await compare(both, ENDPOINT, replace(good, head=McpHead("POST", sent)))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_stands_beside_a_message_counts_as_with_the_sdk(revision: str | None) -> None:
    async with twice(answer) as both:
        for meta in METAS:
            both_of = {**ENVELOPE, **meta} if isinstance(meta, dict) else meta
            for _meta in (meta, both_of):
                for method, params in (("tools/list", {}), ("tools/call", STILL)):
                    request = asking(method, {**params, "_meta": _meta}, revision)
                    await compare(both, ENDPOINT, request)


DOCUMENTS = sorted(Path(__file__).with_name("documents").glob("*.json"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
async def test_tools_of_every_document_are_listed_as_the_sdk_lists_them(path: Path) -> None:
    endpoint = replace(
        ENDPOINT, catalog=build(await anyio.Path(path).read_bytes()), principal=principal()
    )
    async with twice(answer) as both:
        for revision in REVISIONS:
            ours = await compare(both, endpoint, asking("tools/list", {}, revision))
            assert ours is not None
            assert ours.told["result"]["tools"]


async def test_pages_follow_one_another_as_the_sdk_gives_them() -> None:
    specs = [ToolSpec(f"t{n:04}", method="GET", path=f"/t{n:04}") for n in range(2_300)]
    endpoint = replace(ENDPOINT, catalog=build(None, specs), principal=principal())
    async with twice(answer) as both:
        for revision in (None, STATELESS):
            names: list[str] = []
            cursor: str | None = None
            for _ in range(3):
                params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
                ours = await compare(both, endpoint, asking("tools/list", params, revision))
                assert ours is not None
                names += [tool["name"] for tool in ours.told["result"]["tools"]]
                cursor = ours.told["result"].get("nextCursor")
            assert (cursor, len(names)) == (None, 2_300)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(requests())
async def test_whatever_is_asked_is_answered_as_the_sdk_answers_it(request: McpRequest) -> None:
    await anything(request)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(requests())
async def test_still_more_is_answered_as_the_sdk_answers_it(request: McpRequest) -> None:
    await anything(request)


async def anything(request: McpRequest) -> None:
    async with twice(answer) as both:
        for endpoint in (ENDPOINT, SEARCHING):
            await compare(both, endpoint, request)


LOOK_ALIKES: list[dict[str, Any]] = [
    *({"progressToken": value} for value in (1, True, 1.0, "1", None, [], 2**70)),
    *({CAPABILITIES: value} for value in ({}, [], None, {"sampling": {}}, {"sampling": 1})),
    *({CAPABILITIES: {"sampling": value}} for value in ({}, None, True)),
    {"traceparent": "x"},
    {"traceparent": 1},
    {},
]


@pytest.mark.parametrize("revision", [STATELESS, "2025-11-25"])
async def test_what_passed_once_lets_nothing_through_that_merely_looks_like_it(
    revision: str,
) -> None:
    good = {"name": "still", "_meta": dict(ENVELOPE)}
    calls = [
        *({**good, "_meta": {**ENVELOPE, **meta}} for meta in LOOK_ALIKES),
        *({**good, "arguments": value} for value in ({}, {"a": 1}, None, [], "x", 0)),
        *({**good, "name": name} for name in ("still", "stil", 1, None, True)),
        {"name": "still"},
        {"name": "still", "_meta": None},
    ]
    async with twice(answer) as both:
        for _ in range(2):
            for params in (*calls, *reversed(calls)):
                await compare(both, ENDPOINT, asking("tools/call", params, revision))


async def test_more_messages_than_are_known_to_be_sound_are_sound_too() -> None:
    async with twice(answer) as both:
        for number in range(MOST_SOUND + 2):
            params = {"name": "still", "_meta": {**ENVELOPE, "n": number}}
            outcome = both.judged(ENDPOINT, asking("tools/call", params, STATELESS))
            assert not isinstance(outcome, ForSdk)
