"""`docs/sdk.md`: its code runs and answers as shown; its tables are those of the SDK."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from edge.project_file.parse import parse_project
from edge.sdk import context, webhooks
from edge.sdk.context import Context, Trigger
from edge.sdk.defining import App, Function, define
from edge.sdk.handling import DEFAULT_BODY_LIMIT
from edge.sdk.requests import Request
from edge.sdk.responses import ResponseBuilder
from edge.sdk.routing import DEFAULT_METHODS, tools_of
from edge.sdk.serving import GRACE
from edge.sdk.testing import Result, acall, call
from edge.sdk.threads import MOST
from tests.docs.pages import Block, blocks, codes, only_code, page, prose, rows

PAGE = page("sdk.md")
BLOCKS = list(blocks(PAGE))
CODE = [block for block in BLOCKS if block.language == "python"]
SHOWN = [json.loads(block.text) for block in BLOCKS if block.language == "json"]
FIELDS = {only_code(cells[0]) or "": cells for cells in rows(PAGE)}


def declared(heading: str) -> Function | App:
    """What the code below a heading declares."""
    [block] = [each for each in CODE if each.heading == heading]
    found = run(block)["default"]
    assert isinstance(found, Function | App)
    return found


def run(block: Block) -> dict[str, Any]:
    """The names that a block of code binds."""
    names: dict[str, Any] = {"__name__": "index"}
    exec(compile(block.text, "sdk.md", "exec"), names)
    return names


@pytest.mark.parametrize("block", CODE, ids=lambda block: block.heading)
def test_all_code_runs(block: Block) -> None:
    run(block)


def test_the_first_function_answers_and_its_project_file_is_good() -> None:
    function = declared("Functions in Python")

    assert call(function, {"phone": "5939876543"}).json() == {"balance": 12.5}
    assert parse_project(json.dumps(SHOWN[0])).problems == ()


def test_the_query_and_the_refusal_are_as_shown() -> None:
    function = declared("Input")

    assert call(function, path="/?q=pending&limit=5&tags=new").json() == SHOWN[1]
    assert call(function, path="/?limit=many").json() == SHOWN[2]


def test_the_builder_answers_as_it_says() -> None:
    created, refused = (call(declared("Output"), body) for body in ({"name": "Ana"}, {}))

    assert (created.status, created.headers["location"]) == (201, "/customers/7")
    assert refused.status == 409


def test_the_stream_is_as_shown() -> None:
    [shown] = [each.text for each in BLOCKS if each.heading == "Streaming" and not each.language]

    assert call(declared("Streaming"), {"to": 2}).text == shown


def test_the_app_has_the_routes_that_are_named() -> None:
    tools = tools_of(declared("app"), "x")

    assert all(f"`{tool.path}`" in PAGE for tool in tools)


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_name_of_the_context_has_its_place() -> None:
    section = PAGE.partition("\n## ctx\n")[2].partition("\n## ")[0]
    named = {name for cells in rows(section) for name in codes(cells[0])} - {"name"}

    assert named == public(Context)
    assert public(Trigger) <= set(codes(prose(section)))


def test_the_arguments_of_define_and_call_are_all_named() -> None:
    section = PAGE.partition("\n## define\n")[2].partition("\n## ")[0]
    first = {only_code(cells[0]) for cells in rows(section)} - {None}

    assert first == set(inspect.signature(define).parameters)
    testing = set(codes(prose(PAGE.partition("\n## Testing\n")[2])))
    assert set(inspect.signature(acall).parameters) - {"function", "input"} <= testing
    assert {name.removesuffix("()") for name in testing} >= public(Result)


def test_every_step_of_the_builder_is_named() -> None:
    assert all(f"response.{name}(" in PAGE for name in public(ResponseBuilder))


def test_the_request_has_what_is_named() -> None:
    names = {name.removesuffix("()") for name in codes(FIELDS["request"][1])}

    assert names <= public(Request) | {"method", "raw_path", "query_string", "headers", "body"}


def test_webhooks_have_the_headers_secrets_and_codes_that_are_shown() -> None:
    for check in ("stripe", "shopify", "meta", "github", "hmac"):
        _, header, secret = FIELDS[f"ctx.verify_{check}()"]
        default = inspect.signature(getattr(Context, f"verify_{check}")).parameters["secret"]
        assert codes(secret) == [default.default]
        assert codes(header)[0] in inspect.getsource(webhooks)
    section = PAGE.partition("\n## Webhooks\n")[2].partition("\n## ")[0]
    assert set(get_args(webhooks.Code)) <= set(codes(prose(section)))
    assert f"{webhooks.MAX_AGE // 60} minutes" in section
    assert isinstance(context.STRIPE_WEBHOOK_SECRET, str)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"({MOST} at once)" in PAGE
    assert f"{DEFAULT_BODY_LIMIT // 2**20} MiB by default" in PAGE
    assert f"{GRACE:.0f} seconds at most" in PAGE
    assert ", ".join(f"`{method}`" for method in DEFAULT_METHODS) in PAGE


def test_the_keys_of_a_tools_config_are_read() -> None:
    assert isinstance(declared("app"), App)
    config: Mapping[str, Any] = {"path": "/x", "methods": ["GET"], "public": True, "mcp": False}
    [tool] = tools_of(define(handler=lambda given, ctx: 1, config=config), "x")

    assert (tool.path, tool.methods, tool.public, tool.mcp) == ("/x", ("GET",), True, False)
