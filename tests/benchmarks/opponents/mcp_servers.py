"""Who makes MCP tools of the function's operations in its own process: the edge, Envoy, FastMCP."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.benchmarks import operations
from tests.benchmarks.fleet import bad_token
from tests.benchmarks.opponents import gateways, mcp_gateways, ours
from tests.benchmarks.opponents.model import (
    STATELESS,
    Endpoint,
    Launch,
    Mcp,
    Opponent,
    Programs,
    SetUp,
)
from tests.benchmarks.opponents.python import python

_BRIDGE = "filters.http.mcp_json_rest_bridge"


def _with_our_tokens(setup: SetUp, programs: Programs) -> Endpoint:
    """What knows the thousand tokens serves at `/mcp`."""
    del programs
    good = setup.tokens[0]
    fields, refused = {"X-Jelou-Token": good}, {"X-Jelou-Token": bad_token(good)}
    return Endpoint("/mcp", fields, refused, operations.TOOL)


def _envoy(setup: SetUp, programs: Programs) -> Launch:
    """Envoy with its `api_key_auth` filter, and behind it `mcp_json_rest_bridge`."""
    bridge = {
        "@type": f"{gateways.TYPES}.{_BRIDGE}.v3.McpJsonRestBridge",
        "server_info": {"max_supported_protocol_version": STATELESS},
        "tool_config": {
            "tools": [_envoy_tool(each) for each in operations.tools(setup.tools)],
            "tool_list_local": {},
        },
    }
    between = {"name": f"envoy.{_BRIDGE}", "typed_config": bridge}
    return gateways.start_envoy(setup, programs, gateways.envoy_config(setup, [between]))


def _envoy_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    body = {"body": "*"} if tool["method"] == "POST" else {}
    shown = {"description": tool["description"], "input_schema": json.dumps(tool["inputSchema"])}
    rule = {tool["method"].lower(): tool["path"], **body}
    return {"name": tool["name"], "http_rule": rule, "tool_list_config": shown}


def _fastmcp(setup: SetUp) -> list[str]:
    flags = ["--host", "127.0.0.1", "--port", str(setup.port), "--loop", "uvloop"]
    flags += ["--http", "httptools", "--no-access-log", "--log-level", "error"]
    app = "tests.benchmarks.apps.fastmcp_server:application"
    return ["-m", "uvicorn", "--factory", app, *flags]


_OURS = Mcp(_with_our_tokens)

OPPONENTS = (
    *(replace(row, mcp=_OURS) for row in ours.OPPONENTS),
    Opponent(
        "Envoy, mcp_json_rest_bridge",
        "api_key_auth, 1,000 keys",
        False,
        ("envoy",),
        _envoy,
        mcp=Mcp(_with_our_tokens, sessions=False),
    ),
    Opponent(
        "FastMCP from OpenAPI",
        "middleware, SHA-256 of 1,000",
        True,
        ("fastmcp",),
        python("fastmcp", _fastmcp),
        mcp=Mcp(_with_our_tokens),
    ),
    *mcp_gateways.OPPONENTS,
)
