"""`docs/mcp.md`: what it shows is what the bridge makes, and its functions run."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from edge.functions import Upstream
from edge.project_file.parse import parse_project
from mcp_bridge import search
from mcp_bridge.catalog import MAX_CATALOG_SIZE, MAX_TOOL_SIZE, Catalog, build
from mcp_bridge.document import MAX_DESCRIPTION
from mcp_bridge.events import EventReader, StreamKind, stream_kind
from mcp_bridge.judging import LIST_TTL_MS
from mcp_bridge.listing import shown
from mcp_bridge.literal import MEDIA_TYPE
from mcp_bridge.names import MAX_NAME, operation_name
from mcp_bridge.openapi import MAX_OPERATIONS, hints
from mcp_bridge.progress import Progress, StreamResult
from mcp_bridge.requests import build as request_of
from mcp_bridge.results import interpret
from mcp_bridge.targets import invalid
from mcp_bridge.tools import StreamMode, ToolResponse
from tests.docs.pages import blocks, codes, only_code, page, rows
from tests.support.edge_in_process import EdgeInProcess, running

PAGE = page("mcp.md")
BLOCKS = list(blocks(PAGE))
JSON = [json.loads(block.text) for block in BLOCKS if block.language == "json"]
DOCUMENT, TOOL, VIOLATION, PROJECT = JSON
EVENTS, LINES = (block.text for block in BLOCKS if block.heading == "Functions that stream")
ASKING = next(block.text for block in BLOCKS if block.language == "python")


def section(heading: str) -> str:
    """What stands below a heading."""
    return re.split(r"^#{2,3} ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]


def catalog(document: Any = DOCUMENT) -> Catalog:
    return build(json.dumps(document).encode())


def test_the_operation_shown_is_the_tool_shown() -> None:
    (tool,) = catalog().tools
    assert shown(tool) == TOOL


def test_the_call_shown_is_the_request_shown() -> None:
    (tool,) = catalog().tools
    said = re.search(r"a call with `(\{.*\})` this request", PAGE)
    assert said
    made = request_of(tool, json.loads(said[1]))
    lines = [f"{made.method} {made.target.decode()}"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in made.headers]
    lines += ["", (made.body or b"").decode(), ""]
    assert next(block.text for block in BLOCKS if block.language == "http") == "\n".join(lines)


def test_wrong_arguments_are_told_as_shown() -> None:
    (entry,) = catalog().entries.values()
    assert invalid(entry.arguments.violations({"id": 3, "text": "gift"})) == VIOLATION


NAMES = [cells for cells in rows(section("Names")) if "`" in cells[1]]


@pytest.mark.parametrize(("id_", "operation", "name"), NAMES)
def test_operations_are_named_as_the_table_says(id_: str, operation: str, name: str) -> None:
    method, _, path = (only_code(operation) or "").partition(" ")
    assert only_code(name) == operation_name(only_code(id_), method, path)


def test_the_hints_are_those_of_the_methods() -> None:
    head, _, *table = rows(section("Hints"))
    names = [only_code(cell) for cell in head[1:]]
    said = {method: cells[1:] for cells in table for method in codes(cells[0])}
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        made = [str(value).lower() for value in hints(method).values()]
        assert (names, said[method]) == (list(hints(method)), made)


def test_equal_names_are_told_apart_as_the_table_says() -> None:
    parameters = [
        {"name": "id", "in": "path", "required": True},
        {"name": "id", "in": "query"},
        {"name": "page[size]", "in": "query"},
    ]
    content = {"application/json": {"schema": {"type": "object", "properties": {"id": {}}}}}
    get = {"parameters": parameters, "requestBody": {"content": content}}
    found = catalog({"openapi": "3.1.0", "paths": {"/a/{id}": {"post": get}}}).tools[0]
    names = list(found.input_schema["properties"])
    assert names == ["id", "id_query", "page_size", "body"]
    for name in names:
        assert f"`{name}`" in section("Arguments")


ANSWERS: dict[str, tuple[int, str, bytes, dict[str, list[str]]]] = {
    "a JSON object": (
        200,
        "application/json",
        b'{"a":1}',
        {"2025-03-26": ["text"], "2025-06-18": ["text", "structured"]},
    ),
    "other JSON": (
        200,
        "application/json",
        b"[1]",
        {"2025-11-25": ["text"], "2026-07-28": ["text", "structured"]},
    ),
    "`text/*`": (200, "text/plain", b"a", {"2026-07-28": ["text"]}),
    "`image/*`, `audio/*`": (
        200,
        "audio/wav",
        b"a",
        {"2024-11-05": ["resource"], "2025-03-26": ["audio"]},
    ),
    "anything else": (200, "application/pdf", b"a", {"2026-07-28": ["resource"]}),
    "nothing": (204, "", b"", {"2026-07-28": ["text"]}),
    "3xx, 4xx, 5xx": (302, "text/plain", b"a", {"2026-07-28": ["text", "error"]}),
}
OF_OTHERS = {
    "too late, unreachable, over 4 MiB",
    "`text/event-stream`, `application/x-ndjson` and their kin",
    f"`{MEDIA_TYPE}`",
}


def test_the_table_of_results_is_held_whole() -> None:
    _, _, *table = rows(section("Results"))
    assert {cells[0] for cells in table} == {*ANSWERS, *OF_OTHERS}


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_become_what_the_table_says(answer: str) -> None:
    status, kind, body, expected = ANSWERS[answer]
    (entry,) = catalog().entries.values()
    response = ToolResponse(status, ((b"content-type", kind.encode()),), body)
    for revision, parts in expected.items():
        result = interpret(entry, response, revision)
        found = [block["type"] for block in result["content"]]
        found += ["structured"] if "structuredContent" in result else []
        assert found + (["error"] if result["isError"] else []) == parts
    if answer == "nothing":
        assert f"`{result['content'][0]['text']}`" in section("Results")


def streamed(text: str, kind: StreamKind, mode: StreamMode) -> tuple[list[Progress], bytes]:
    reader, result = EventReader(kind, 10_000), StreamResult(mode, 10_000)
    events = [*reader.feed(text.encode()), *reader.end()]
    told = [progress for event in events if (progress := result.take(event)) is not None]
    return told, result.result().body


def test_the_events_shown_come_to_what_is_said() -> None:
    told, result = streamed(f"{EVENTS}\n", "sse", "last")
    assert told == [Progress(1, 2, "Quito"), Progress(2, None, "Guayaquil")]
    assert json.loads(result) == {"cities": 2}
    for said in ("`1 of 2: Quito`", "`2: Guayaquil`", f"`{result.decode()}`"):
        assert said in section("Functions that stream")
    _, joined = streamed(LINES, "ndjson", "concat")
    assert f"come to `{joined.decode()}`" in PAGE
    assert all(stream_kind(kind) for kind in ("text/event-stream", "application/x-ndjson"))


def test_search_mode_lists_the_tools_shown() -> None:
    tools = {str(tool["name"]): tool["inputSchema"] for tool in search.SEARCH_TOOLS}
    said = {only_code(cells[0]): codes(cells[1]) for cells in rows(section("Hundreds of tools"))}
    for name, schema in tools.items():
        assert said[name] == list(schema["properties"])
    assert f"{search.DEFAULT_LIMIT} if not said, at most {search.MAX_LIMIT}" in PAGE


def test_the_numbers_are_those_of_the_code() -> None:
    said = " ".join(PAGE.split())
    assert f"A name is 1 to {MAX_NAME} of" in said
    assert f"cut at {MAX_DESCRIPTION:,} characters" in said
    assert (
        f"At most {MAX_OPERATIONS:,} operations become tools, of {MAX_TOOL_SIZE // 1024} KiB"
        in said
    )
    assert f"and {MAX_CATALOG_SIZE // 1024**2} MiB together" in said
    assert f"to keep a list for {LIST_TTL_MS // 1000} s at most" in said


def test_the_project_file_shown_can_be_deployed() -> None:
    read = parse_project(json.dumps(PROJECT))
    assert (read.problems, read.warnings) == ((), ())


# The function that asks back.


@contextmanager
def serving() -> Iterator[Upstream]:
    """The function shown, at a free port."""
    namespace: dict[str, Any] = {"__name__": "shown"}
    exec(compile(ASKING, "mcp.md", "exec"), namespace)
    with make_server("127.0.0.1", 0, namespace["cancel"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Upstream("http", "127.0.0.1", server.server_port)
        finally:
            server.shutdown()
            thread.join()


async def cancelled(edge: EdgeInProcess, mode: str, *, sure: bool = True) -> tuple[str, list[str]]:
    """What the tool says to a client that answers so, and what it asked."""
    asked = []

    async def answer(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"sure": sure})

    slug = PROJECT["function"]
    fields = {"X-Jelou-Token": edge.tokens[slug]}
    url = f"http://{edge.address}/{slug}/mcp"
    async with (
        httpx2.AsyncClient(headers=fields, timeout=5) as http,
        Client(
            streamable_http_client(url, http_client=http), mode=mode, elicitation_callback=answer
        ) as client,
    ):
        result = await client.call_tool("cancel_order", {"order": "A-7"})
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    assert not result.is_error
    return content.text, asked


async def test_the_function_that_asks_back_does(tmp_path: Path) -> None:
    with anyio.fail_after(20), serving() as upstream:
        async with running(tmp_path) as edge:
            keys = {key: PROJECT[key] for key in ("openapi", "tools")}
            edge.deploy(upstream, PROJECT["function"], keys=keys)
            question = ["Really cancel it?"]
            now, before = "2026-07-28", "legacy"
            assert await cancelled(edge, now) == ("A-7 is cancelled.", question)
            assert await cancelled(edge, now, sure=False) == ("Nothing was cancelled.", question)
            assert await cancelled(edge, before) == ("Nothing was cancelled.", [])
