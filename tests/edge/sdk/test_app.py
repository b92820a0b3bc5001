"""What an app answers: a route for each tool, settings of its own over the app's."""

from typing import Any

import pytest

from edge.sdk import DefinitionError, app, define
from edge.sdk.testing import call


def echo(input: Any, ctx: Any) -> Any:
    return {"tool": ctx.path, "input": input}


APP = app(
    tools={
        "sendEmail": define(description="Sends", handler=echo),
        "readInbox": define(description="Reads", handler=echo, config={"methods": ["GET"]}),
        "get_user": define(handler=echo, config={"path": "/users/:id", "mcp": False}),
    },
    config={"methods": ["POST"], "timeout": 30000},
)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/send-email", 200),
        ("GET", "/send-email", 405),
        ("GET", "/read-inbox", 200),
        ("POST", "/read-inbox", 405),
        ("POST", "/users/7", 200),
        ("POST", "/users", 404),
        ("POST", "/users/7/", 404),
        ("POST", "/sendEmail", 404),
        ("POST", "/", 404),
        ("POST", "/Send-Email", 404),
    ],
)
def test_each_tool_has_its_route_and_methods(method: str, path: str, status: int) -> None:
    assert call(APP, tool="sendEmail", method=method, path=path).status == status


def test_the_query_of_a_get_tool_is_its_input() -> None:
    result = call(APP, {"limit": 5}, tool="readInbox")

    assert result.json() == {"tool": "/read-inbox", "input": {"limit": "5"}}


def test_a_schedule_reaches_its_tool_whatever_its_methods() -> None:
    result = call(APP, tool="readInbox", method="POST", trigger="cron")

    assert result.json() == {"tool": "/read-inbox", "input": None}


def test_an_unknown_route_says_where_to_look() -> None:
    body = call(APP, tool="sendEmail", path="/nope").json()

    assert body["error"] == "Not Found"
    assert "/openapi.json" in body["message"]


def test_health_lists_the_tools_that_agents_see() -> None:
    assert call(APP, tool="sendEmail", method="GET", path="/__health").json() == {
        "status": "ok",
        "mode": "app",
        "tools": [
            {"name": "sendEmail", "description": "Sends"},
            {"name": "readInbox", "description": "Reads"},
        ],
    }


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ({}, "an app needs tools"),
        ({"send email": define(handler=echo)}, "'send email' is not a tool name"),
        ({"a": echo}, "tool a must be made by define"),
        ({"sendIt": define(handler=echo), "send_it": define(handler=echo)}, "the same route"),
    ],
)
def test_a_wrong_app_says_what_to_write(tools: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        app(tools=tools)


@pytest.mark.parametrize(
    ("config", "said"), [({"path": "users"}, "path of f"), ({"methods": "POST"}, "methods of f")]
)
def test_a_route_that_cannot_be_says_what_to_write(config: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        call(define(name="f", handler=echo, config=config))
