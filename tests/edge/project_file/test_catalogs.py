"""What a project file and a document make of tools."""

import json

from edge.project_file import catalogs
from edge.project_file.parse import load_project

DOCUMENT = json.dumps(
    {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {m: {"operationId": m} for m in ("get", "head", "delete", "options")}},
    }
).encode()


def names(**file: object) -> tuple[list[str], list[str]]:
    text = json.dumps({"function": "shop", "upstream": "http://127.0.0.1:9000", **file})
    found = catalogs.catalog(load_project(text), DOCUMENT)
    return [tool.name for tool in found.tools], [warning.message for warning in found.warnings]


def test_a_tools_own_stream_stands_over_the_functions() -> None:
    def streams(**file: object) -> dict[str, str]:
        text = json.dumps({"function": "shop", "upstream": "http://127.0.0.1:9000", **file})
        found = catalogs.catalog(load_project(text), DOCUMENT)
        return {tool.name: tool.stream for tool in found.tools}

    def own(mode: str) -> dict[str, object]:
        return {"get": {"operationId": "get", "config": {"stream": mode}}}

    assert set(streams().values()) == {"last"}
    assert streams(tools=own("concat")) == {**streams(), "get": "concat"}
    joined = {"mcp": {"stream": "concat"}}
    assert set(streams(config=joined).values()) == {"concat"}
    assert streams(config=joined, tools=own("last")) == {**streams(config=joined), "get": "last"}


def test_how_streams_are_read_changes_nothing_that_clients_see() -> None:
    text = {"function": "shop", "upstream": "http://127.0.0.1:9000"}
    one = catalogs.catalog(load_project(json.dumps(text)), DOCUMENT)
    joined = {**text, "config": {"mcp": {"stream": "concat"}}}
    assert catalogs.catalog(load_project(json.dumps(joined)), DOCUMENT).digest == one.digest


def test_a_tool_that_nobody_may_call_is_left_out_with_a_warning() -> None:
    shown, warnings = names(config={"methods": ["GET"]})
    assert shown == ["get", "head"]
    assert warnings == [
        "left out: its method DELETE is not in config.methods",
        "left out: its method OPTIONS is not in config.methods",
    ]


def test_a_tool_that_search_mode_hides_behind_its_own_is_warned_of() -> None:
    tools = {"find_tools": {"method": "GET", "path": "/b"}}
    shown, warnings = names(tools=tools, config={"mcp": {"search": True}})
    assert "find_tools" in shown
    told = "search mode has a tool of this name; it is callable by call_tool only"
    assert [warning for warning in warnings if warning not in names(tools=tools)[1]] == [told]


def test_a_tools_own_methods_stand_over_the_functions() -> None:
    own = {"delete": {"operationId": "delete", "config": {"methods": ["DELETE"]}}}
    shown, _ = names(config={"methods": ["GET"]}, tools=own)
    assert shown == ["delete", "get", "head"]


APP = json.dumps(
    {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/send-email": {"post": {}}, "/read-inbox": {"get": {}}},
    }
).encode()


def test_a_key_alone_names_the_route_of_an_app_and_its_settings_apply_there() -> None:
    tools = {
        "sendEmail": {"config": {"timeout": 5000}},
        "readInbox": {"config": {"public": True}},
        "paymentWebhook": {"config": {"timeout": 1000}},
    }
    file = {"function": "shop", "upstream": "http://127.0.0.1:9000", "tools": tools}
    project = load_project(json.dumps(file))
    found = catalogs.catalog(project, APP)
    assert [(tool.name, tool.operation.path) for tool in found.tools] == [
        ("readInbox", "/read-inbox"),
        ("sendEmail", "/send-email"),
    ]
    assert [warning.tool for warning in found.warnings] == ["paymentWebhook"]
    assert catalogs.unresolved(project, found) == ("paymentWebhook",)
    timeouts = {route.template.text: route.timeout for route in catalogs.routes(project, found)}
    assert timeouts["/send-email"] == 5000
