"""The document of a function, and the tools that the bridge makes of it."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from edge.project_file.parse import parse_project
from edge.sdk import App, Context, Function, Request, app, define, response
from edge.sdk.context import Env
from edge.sdk.handling import Service
from edge.sdk.requests import Headers
from edge.sdk.testing import call
from mcp_bridge.catalog import Catalog, build
from mcp_bridge.document import load
from mcp_bridge.requests import build as build_request
from mcp_bridge.results import interpret
from mcp_bridge.tools import ToolResponse


class Query(BaseModel):
    phone: str = Field(min_length=10, description="Phone number with country code")

    @field_validator("phone")
    @classmethod
    def digits(cls, phone: str) -> str:
        if not phone.isdigit():
            raise ValueError("write digits alone")
        return phone


class Balance(BaseModel):
    balance: float


class Node(BaseModel):
    name: str
    children: list["Node"] = []


def balance(input: Query, ctx: Context) -> Any:
    return {"balance": 12.5 if input.phone != "5930000000" else "broke"}


BALANCE = define(
    name="query-balance",
    description="Queries a customer's balance by phone number",
    input=Query,
    output=Balance,
    handler=balance,
)
INPUT = {
    "type": "object",
    "properties": {
        "phone": {
            "type": "string",
            "minLength": 10,
            "description": "Phone number with country code",
        }
    },
    "required": ["phone"],
}


def document(function: Function | App, slug: str = "my-function") -> dict[str, Any]:
    answer = asyncio.run(Service(function, slug).answer(Request("GET", "/openapi.json")))
    assert isinstance(answer.body, bytes)
    return load(answer.body)


def catalog(function: Function | App) -> Catalog:
    found = build(json.dumps(document(function)).encode())
    assert not found.problem
    assert not found.warnings
    return found


def mcp_call(function: Function | App, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a model gets: the bridge's request, answered by the function, as the bridge words it."""
    entry = catalog(function).entries[name]
    assert not entry.arguments.violations(arguments)
    made = build_request(entry.tool, arguments)
    path, _, query = made.target.decode().partition("?")
    headers = Headers(
        [(n.decode(), v.decode()) for n, v in (*made.headers, (b"x-jelou-trigger", b"mcp"))]
    )
    request = Request(made.method, path, query, headers, made.body or b"")
    service = Service(function, "f", Env(), lambda line: None)
    answer = asyncio.run(service.answer(request))
    assert isinstance(answer.body, bytes)
    fields = tuple((n.lower().encode(), v.encode()) for n, v in answer.fields)
    return interpret(entry, ToolResponse(answer.status, fields, answer.body), "2025-11-25")


def test_the_document_is_the_platforms_word_for_word() -> None:
    made = document(BALANCE)
    operation = made["paths"]["/"]["post"]

    assert made["openapi"] == "3.1.0"
    assert made["info"] == {"title": "query-balance", "version": "1.0.0"}
    assert list(made["paths"]) == ["/"]
    assert list(operation)[:4] == ["operationId", "summary", "security", "requestBody"]
    assert operation["operationId"] == "query-balance"
    assert operation["summary"] == "Queries a customer's balance by phone number"
    assert operation["security"] == [{"jelouToken": []}]
    assert operation["requestBody"] == {"content": {"application/json": {"schema": INPUT}}}
    assert made["components"]["securitySchemes"] == {
        "jelouToken": {"type": "apiKey", "in": "header", "name": "X-Jelou-Token"}
    }


def test_health_is_the_platforms_word_for_word() -> None:
    assert call(BALANCE, method="GET", path="/__health").json() == {
        "status": "ok",
        "mode": "define",
        "tool": {
            "name": "query-balance",
            "description": "Queries a customer's balance by phone number",
        },
    }


def test_a_function_without_a_name_is_called_by_its_slug() -> None:
    made = document(define(handler=lambda input, ctx: 1), "my-function")

    assert made["info"]["title"] == made["paths"]["/"]["post"]["operationId"] == "my-function"


@pytest.mark.parametrize(
    ("shared", "own", "security"),
    [
        ({}, {}, [{"jelouToken": []}]),
        ({"public": True}, {}, []),
        ({"public": True}, {"public": False}, [{"jelouToken": []}]),
        ({}, {"public": True}, []),
    ],
)
def test_security_follows_public_of_tool_over_app(
    shared: Any, own: Any, security: list[Any]
) -> None:
    made = app(tools={"a": define(handler=lambda input, ctx: 1, config=own)}, config=shared)

    assert document(made)["paths"]["/a"]["post"]["security"] == security


def test_one_declaration_is_one_tool_with_its_schemas() -> None:
    [tool] = catalog(BALANCE).tools

    assert (tool.name, tool.description) == (
        "query-balance",
        "Queries a customer's balance by phone number",
    )
    assert tool.input_schema == INPUT
    assert tool.output_schema == {
        "type": "object",
        "properties": {"balance": {"type": "number"}},
        "required": ["balance"],
    }


def test_a_json_schema_is_shown_as_it_was_written() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "additionalProperties": False,
    }
    [tool] = catalog(define(name="f", input=schema, handler=lambda input, ctx: 1)).tools

    assert tool.input_schema == schema


def test_a_tools_result_is_structured() -> None:
    result = mcp_call(BALANCE, "query-balance", {"phone": "5939876543"})

    assert (result["isError"], result["structuredContent"]) == (False, {"balance": 12.5})


def test_what_only_the_function_can_check_reaches_the_model() -> None:
    result = mcp_call(BALANCE, "query-balance", {"phone": "593-987-6543"})

    assert result["isError"]
    assert "write digits alone" in result["content"][0]["text"]


def test_a_broken_output_reaches_the_model_as_a_failure_without_internals() -> None:
    result = mcp_call(BALANCE, "query-balance", {"phone": "5930000000"})

    assert result["isError"]
    assert "broke" not in result["content"][0]["text"]


def test_a_recursive_model_stays_a_tool_and_works() -> None:
    function = define(
        name="count", input=Node, output=Node, handler=lambda input, ctx: input.children[0]
    )
    tree = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}

    entry = catalog(function).entries["count"]
    result = mcp_call(function, "count", tree)

    assert entry.arguments.violations({"name": "a", "children": [{"name": 1}]})
    assert result["structuredContent"]["children"] == [{"name": "c", "children": []}]


def test_a_get_tool_takes_its_input_from_the_query_and_the_path() -> None:
    schema = {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "description": "At most"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "deep": {"type": "boolean"},
        },
        "required": ["limit"],
    }
    function = define(
        name="search",
        input=schema,
        config={"methods": ["GET"], "path": "/users/:id/emails"},
        handler=lambda input, ctx: {"input": input, "id": ctx.params["id"], "mcp": ctx.isMcp},
    )
    given = {"limit": 3, "tags": ["a b", "c&d"], "deep": True}

    [tool] = catalog(function).tools
    result = mcp_call(function, "search", {"id": "4/2", **given})

    assert (tool.operation.method, tool.operation.path) == ("GET", "/users/{id}/emails")
    assert set(tool.input_schema["required"]) == {"id", "limit"}
    assert tool.input_schema["properties"]["limit"]["description"] == "At most"
    assert result["structuredContent"] == {"input": given, "id": "4/2", "mcp": True}


@pytest.mark.parametrize(
    ("methods", "shown"),
    [(["GET"], "get"), (["GET", "PUT"], "put"), (["DELETE"], "delete"), (None, "post")],
)
def test_a_function_is_one_operation_whatever_its_methods(methods: Any, shown: str) -> None:
    config = {"methods": methods} if methods else {}
    [item] = document(define(handler=lambda input, ctx: 1, config=config))["paths"].values()

    assert list(item) == [shown]


def test_a_tool_without_input_takes_no_arguments() -> None:
    function = define(name="now", handler=lambda input, ctx: response.json({"at": 1}))
    [tool] = catalog(function).tools

    assert tool.input_schema.get("properties") == {}
    assert mcp_call(function, "now", {})["structuredContent"] == {"at": 1}


def test_a_stream_promises_no_structured_output() -> None:
    def handler(input: Any, ctx: Context) -> Any:
        yield 1

    made = document(define(name="s", handler=handler, output=Balance))

    assert list(made["paths"]["/"]["post"]["responses"]["200"]["content"]) == ["text/event-stream"]


CRON = [{"expression": "0 9 * * *", "timezone": "America/Guayaquil", "name": "daily"}]
CONFIG = {
    "public": True,
    "mcp": False,
    "methods": ["POST"],
    "timeout": 5000,
    "cors": {"origin": ["https://app.example"]},
    "cron": CRON,
}


def test_what_code_declares_is_a_project_file_for_the_edge() -> None:
    function = define(
        name="f",
        description="Does it",
        handler=lambda input, ctx: 1,
        config={**CONFIG, "path": "/x/:id"},
    )
    said = document(function)["x-jelou"]

    parsed = parse_project(
        json.dumps({"function": "f", "entrypoint": "index.py", **said["project"]})
    )

    assert said["mode"] == "define"
    assert parsed.problems == ()
    assert parsed.project is not None
    assert parsed.project.description == "Does it"
    assert parsed.project.config.public
    assert parsed.project.config.timeout == 5000
    assert parsed.project.config.path.text == "/x/:id"
    assert [each.name for each in parsed.project.config.cron] == ["daily"]


def test_what_an_app_declares_is_a_project_file_for_the_edge() -> None:
    own = {"public": False, "mcp": False, "methods": ["POST"], "timeout": 5000, "cron": CRON}
    made = app(
        tools={
            "sendEmail": define(handler=lambda input, ctx: 1, config={**own, "path": "/mail"}),
            "readInbox": define(handler=lambda input, ctx: 1),
        },
        config={"public": True, "timeout": 30000, "cors": {"credentials": False}},
    )
    said = document(made)["x-jelou"]

    parsed = parse_project(
        json.dumps({"function": "f", "entrypoint": "index.py", **said["project"]})
    )

    assert said["mode"] == "app"
    assert parsed.problems == ()
    assert parsed.project is not None
    tools = {each.name: each for each in parsed.project.tools}
    assert (tools["sendEmail"].operation_id, tools["sendEmail"].timeout) == ("sendEmail", 5000)
    assert [each.name for each in tools["sendEmail"].cron] == ["daily"]
    assert tools["sendEmail"].public is False
    assert tools["readInbox"].public is None
