"""What a handler knows beside its input, and what it writes to its log."""

import json
import time
from typing import Any

import pytest

from edge.sdk import Context, Env, Trigger, define
from edge.sdk.cron import signature, signed_text
from edge.sdk.testing import (
    REQUEST_ID,
    call,
    create_mock_context,
    create_mock_cron_context,
    create_mock_request,
)


def reading(*names: str) -> Any:
    return lambda input, ctx: {name: getattr(ctx, name) for name in names}


def test_names_are_pythons_and_the_platforms() -> None:
    headers = {
        "X-Request-Id": "abc",
        "X-Jelou-Function": "shop",
        "X-Jelou-Token-Id": "tok_1",
        "X-Jelou-Token-Name": "ci",
        "X-Jelou-Bot-Id": "bot",
    }
    python = (
        "request_id",
        "function",
        "token_id",
        "token_name",
        "bot_id",
        "is_http",
        "is_cron",
        "is_mcp",
    )
    platform = (
        "requestId",
        "functionSlug",
        "tokenId",
        "tokenName",
        "botId",
        "isHttp",
        "isCron",
        "isMcp",
    )

    result = call(define(handler=reading(*python, *platform)), headers=headers).json()

    assert [result[name] for name in python] == [result[name] for name in platform]
    assert [result[name] for name in python[:5]] == ["abc", "shop", "tok_1", "ci", "bot"]
    assert [result[name] for name in python[5:]] == [True, False, False]


@pytest.mark.parametrize(
    ("said", "kind"),
    [("mcp", "mcp"), ("cron", "cron"), ("http", "http"), ("event", "http"), ("", "http")],
)
def test_the_trigger_is_what_the_edge_says(said: str, kind: str) -> None:
    function = define(handler=lambda input, ctx: ctx.trigger.type)

    assert call(function, headers={"X-Jelou-Trigger": said}).text == kind


def test_a_schedule_is_named() -> None:
    function = define(
        handler=lambda input, ctx: [ctx.trigger.cron, ctx.trigger.cronName, ctx.trigger.cron_run]
    )
    trigger = Trigger("cron", "0 9 * * *", "daily", "run_1")

    assert call(function, trigger=trigger).json() == ["0 9 * * *", "daily", "run_1"]


def test_a_request_without_an_id_gets_one() -> None:
    function = define(handler=lambda input, ctx: ctx.request_id)

    one, other = (call(function, headers={"X-Request-Id": ""}).text for _ in range(2))

    assert one != other
    assert len(one) == 36


def test_env_holds_the_secrets_and_nothing_else() -> None:
    env = Env({"API_KEY": "s3cret"})

    assert (env.get("API_KEY"), env.get("PATH"), env.get("PATH", "x")) == ("s3cret", None, "x")
    assert (env.has("API_KEY"), env.has("PATH")) == (True, False)
    assert env.toObject() == env.to_object() == {"API_KEY": "s3cret"}
    assert "s3cret" not in repr(env)
    assert "s3cret" not in repr(create_mock_context(env=env))


def test_a_log_line_is_one_json_object_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    ctx = create_mock_context(function="shop")

    ctx.log("Order\nplaced", {"id": 7}, amount=2, by=object)
    ctx.log("careful", level="warn")

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(first) == ["requestId", "function", "timestamp", "level", "args"]
    assert (first["requestId"], first["function"]) == (REQUEST_ID, "shop")
    assert first["args"] == ["Order\nplaced", {"id": 7}, {"amount": 2, "by": "<class 'object'>"}]
    assert first["timestamp"].endswith("Z")
    assert (second["level"], second["args"]) == ("warn", ["careful"])


def test_mocks_are_what_handlers_get() -> None:
    cron = create_mock_cron_context("0 9 * * *", "daily", env={"A": "1"})
    request = create_mock_request("http://localhost:8000/a%20b?x=1", method="POST", json={"y": 2})

    assert (cron.isCron, cron.trigger.cronName, cron.env["A"]) == (True, "daily", "1")
    assert (request.path, request.query, request.json()) == ("/a b", [("x", "1")], {"y": 2})
    assert create_mock_request().headers["host"] == "localhost:8000"


def signed(secret: str, time: float, run: str = "run_1") -> dict[str, str]:
    fields = {b"x-jelou-cron": b"0 9 * * *", b"x-jelou-cron-run": run.encode()}
    text = signed_text(int(time), b"POST", b"/", fields, b"")
    return {
        "X-Jelou-Trigger": "cron",
        "X-Jelou-Cron": "0 9 * * *",
        "X-Jelou-Cron-Run": run,
        "X-Jelou-Cron-Signature": f"t={int(time)},v1={signature(secret, text)}",
    }


def ran(headers: dict[str, str], secret: str = "old, new") -> int:
    function = define(handler=lambda input, ctx: "ran")
    return call(function, headers=headers, env={"JELOU_SIGNING_SECRET": secret}).status


def test_a_schedules_signature_is_checked_where_its_secret_is_set() -> None:
    now = time.time()
    assert ran(signed("new", now)) == 200
    assert ran(signed("old", now)) == 200
    assert ran(signed("other", now)) == 401
    assert ran(signed("new", now - 400)) == 401
    assert ran({"X-Jelou-Trigger": "cron"}) == 401
    assert ran({"X-Jelou-Trigger": "http"}) == 200


@pytest.mark.parametrize("secret", ["new,", ",", " "])
def test_a_comma_too_many_lets_nobody_sign_with_nothing(secret: str) -> None:
    assert ran(signed("", time.time()), secret) == 401


def test_a_context_cannot_be_changed() -> None:
    ctx: Any = create_mock_context()

    with pytest.raises(AttributeError):
        ctx.function = "other"
    assert isinstance(ctx, Context)
