"""What a function made by `define()` answers, request by request."""

import json
import threading
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from edge.sdk import Context, DefinitionError, Request, define, response
from edge.sdk.testing import acall, call

PHONE = {
    "type": "object",
    "properties": {"phone": {"type": "string", "minLength": 10}, "limit": {"type": "integer"}},
    "required": ["phone"],
}


class Lookup(BaseModel):
    phone: str = Field(min_length=10, description="Number with country code")
    limit: int = 10
    active: bool = True
    tags: list[str] = []
    born: date | None = None

    @field_validator("phone")
    @classmethod
    def known(cls, phone: str) -> str:
        if phone.startswith("000"):
            raise ValueError("no number starts with 000")
        return phone


class Found(BaseModel):
    name: str
    total: int = Field(default=0, serialization_alias="Total")


def seen(input: Lookup, ctx: Context) -> Any:
    return input.model_dump(mode="json")


def plain(input: Any, ctx: Context) -> Any:
    return input


def returning(value: Any, output: Any = None) -> Any:
    return call(define(handler=lambda input, ctx: value, output=output))


def test_a_json_body_becomes_the_input() -> None:
    result = call(define(input=Lookup, handler=seen), {"phone": "5939876543", "born": "2001-02-03"})

    assert result.status == 200
    assert result.headers["content-type"] == "application/json"
    assert result.json()["born"] == "2001-02-03"
    assert result.json()["limit"] == 10


def test_what_is_wrong_with_an_input_is_told_and_the_handler_does_not_run() -> None:
    def never(input: Lookup, ctx: Context) -> Any:
        raise AssertionError

    result = call(define(input=Lookup, handler=never), {"phone": "1", "limit": "many"})

    assert result.status == 400
    assert result.json() == {
        "error": "Validation failed",
        "details": [
            {
                "path": ["phone"],
                "message": "String should have at least 10 characters",
                "code": "string_too_short",
            },
            {
                "path": ["limit"],
                "message": "Input should be a valid integer, unable to parse string as an integer",
                "code": "int_parsing",
            },
        ],
    }


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, ["phone"], "required"),
        ({"phone": "1"}, ["phone"], "minLength"),
        ({"phone": 1}, ["phone"], "type"),
        ([], [], "type"),
    ],
)
def test_a_json_schema_tells_what_is_wrong_in_the_same_shape(
    body: Any, path: list[str], code: str
) -> None:
    result = call(define(input=PHONE, handler=plain), body)

    [detail] = result.json()["details"]
    assert (result.status, detail["path"], detail["code"]) == (400, path, code)
    assert list(detail) == ["path", "message", "code"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"nope", b'{"a": NaN}', b"[" * 200 + b"]" * 200])
def test_a_body_that_is_not_json_is_told_in_the_same_shape(body: bytes) -> None:
    result = call(define(input=Lookup, handler=seen), body=body)

    [detail] = result.json()["details"]
    assert (result.status, detail["path"], detail["code"]) == (400, [], "invalid_json")


@pytest.mark.parametrize("declared", [Lookup, Lookup.model_json_schema()])
def test_a_query_is_read_as_what_the_input_wants(declared: Any) -> None:
    function = define(input=declared, handler=lambda input, ctx: json.loads(_json(input)))
    query = {"phone": "5939876543", "limit": "5", "active": "false", "tags": ["a", "b"]}

    got = call(function, method="GET", query=query).json()
    one = call(function, method="GET", query={"phone": "5939876543", "tags": ["a"]}).json()

    assert {key: got[key] for key in query} == {
        "phone": "5939876543",
        "limit": 5,
        "active": False,
        "tags": ["a", "b"],
    }
    assert one["tags"] == ["a"]


def _json(value: Any) -> str:
    return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)


def test_a_parameter_that_repeats_where_one_is_wanted_is_refused() -> None:
    result = call(
        define(input=Lookup, handler=seen), method="GET", query={"phone": ["5939876543", "1"]}
    )

    assert (result.status, result.json()["details"][0]["path"]) == (400, ["phone"])


def test_a_form_is_read_like_a_query_and_json_that_calls_itself_a_form_like_json() -> None:
    function = define(input=Lookup, handler=seen)
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    as_form = call(function, body=b"phone=5939876543&limit=7", headers=form)
    as_json = call(function, body=b'{"phone":"5939876543","limit":7}', headers=form)

    assert as_form.json() == as_json.json()
    assert as_form.json()["limit"] == 7


@pytest.mark.parametrize(
    ("body", "content_type", "seen_as"),
    [
        (b"hello", "text/plain", "hello"),
        (b"\x00\x01", "image/png", b"\x00\x01"),
        (b'{"a":1}', "application/json", {"a": 1}),
        (b'{"a":1}', "application/cloudevents+json", {"a": 1}),
        (b'{"a":1}', "", {"a": 1}),
        (b"<a/>", "", b"<a/>"),
        (b"", "application/json", None),
        (b"a=1&b=2&b=3", "application/x-www-form-urlencoded", {"a": "1", "b": ["2", "3"]}),
    ],
)
def test_without_a_declared_input_anything_is_taken_as_it_is(
    body: bytes, content_type: str, seen_as: Any
) -> None:
    got: list[Any] = []
    function = define(handler=lambda input, ctx: got.append(input))

    call(function, body=body, headers={"Content-Type": content_type})

    assert got == [seen_as]


RECURSIVE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "anyOf": [
                {"type": "object", "properties": {"c": {"$ref": "#/$defs/node"}}, "required": [key]}
                for key in ("x", "y")
            ]
        }
    },
}
DEEP = b'{"c":' * 60 + b"{}" + b"}" * 60
WIDE = b'{"all":[' + b",".join([b"1"] * 100_000) + b"]}"


class Words(BaseModel):
    all: list[str]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("declared", "body"),
    [(RECURSIVE, DEEP), (Words, WIDE), (Words.model_json_schema(), WIDE)],
)
def test_no_caller_makes_an_explanation_take_long(declared: Any, body: bytes) -> None:
    result = call(define(input=declared, handler=plain), body=body)

    [detail] = result.json()["details"]
    assert (result.status, detail["path"], detail["code"]) == (400, [], "too_much")


def test_a_form_with_too_many_fields_is_refused() -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    assert call(define(handler=plain), body=b"a&" * 5000, headers=form).status == 400


def test_an_empty_body_is_an_empty_object_where_an_input_is_declared() -> None:
    result = call(define(input=Lookup, handler=seen), body=b"")

    assert result.json()["details"][0]["path"] == ["phone"]


def test_a_strict_model_takes_dates_and_ids_as_json_writes_them() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        id: UUID
        day: date
        kind: Literal["a"]

    body = {"id": "12345678-1234-5678-1234-567812345678", "day": "2026-01-01", "kind": "a"}
    result = call(define(input=Strict, handler=lambda input, ctx: input), body)

    assert result.json() == body


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    ("declared", "value"), [(Point, {"x": 1, "y": 2}), (list[Point], [{"x": 1, "y": 2}])]
)
def test_any_type_that_pydantic_reads_can_be_an_input(declared: Any, value: Any) -> None:
    function = define(input=declared, output=declared, handler=lambda input, ctx: input)

    assert call(function, value).json() == value
    assert call(function, {"x": "no"}).status == 400


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, None], 200, "application/json", b"[1,null]"),
        (True, 200, "application/json", b"true"),
        (2**70, 200, "application/json", b"1180591620717411303424"),
        (Found(name="Ana"), 200, "application/json", b'{"name":"Ana","Total":0}'),
        (
            {"all": [Found(name="Ana")]},
            200,
            "application/json",
            b'{"all":[{"name":"Ana","Total":0}]}',
        ),
        (Point(1, 2), 200, "application/json", b'{"x":1,"y":2}'),
        ("h\u00e9", 200, "text/plain; charset=utf-8", "h\u00e9".encode()),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (None, 204, None, b""),
        (
            response.status(201).header("Location", "/1").json({"id": 1}),
            201,
            "application/json",
            b'{"id":1}',
        ),
        (response.text("hi"), 200, "text/plain; charset=utf-8", b"hi"),
        (response.body(b"%PDF", "application/pdf"), 200, "application/pdf", b"%PDF"),
        (response.header("Content-Type", "text/csv").text("a,b"), 200, "text/csv", b"a,b"),
        (response.status(202), 202, None, b""),
        (response.empty(), 204, None, b""),
    ],
)
def test_what_a_handler_returns_becomes_the_answer(
    value: Any, status: int, content_type: str | None, body: bytes
) -> None:
    result = returning(value)

    assert (result.status, result.body) == (status, body)
    assert result.headers.get("content-type") == content_type


def test_an_output_is_held_to_its_declaration_and_worded_by_it() -> None:
    assert returning({"name": "Ana", "more": 1}, Found).json() == {"name": "Ana", "Total": 0}
    assert returning(response.status(201).json({"name": "Ana"}), Found).json()["Total"] == 0
    assert returning("Ana", {"type": "string"}).json() == "Ana"


def test_nothing_is_null_where_the_output_allows_it() -> None:
    assert returning(None, {"type": ["object", "null"]}).body == b"null"
    assert returning(None, Found | None).body == b"null"


@pytest.mark.parametrize("output", [Found, PHONE])
@pytest.mark.parametrize("value", [{"secret": "x"}, None, response.json({"secret": "x"})])
def test_a_broken_promise_is_500_and_told_in_the_log_alone(output: Any, value: Any) -> None:
    result = returning(value, output)

    assert result.status == 500
    assert list(result.json()) == ["error", "message", "requestId"]
    assert "schema" not in result.text
    assert "breaks its schema" in result.logs[0]["args"][0]


def test_an_error_of_the_authors_own_is_not_held_to_the_output() -> None:
    result = returning(response.status(404).json({"why": "no such customer"}), Found)

    assert (result.status, result.json()) == (404, {"why": "no such customer"})


def test_a_handler_that_raises_is_500_without_internals_and_a_traceback_in_the_log() -> None:
    def handler(input: Any, ctx: Context) -> Any:
        raise RuntimeError("password is hunter2")

    result = call(define(name="boom", handler=handler))

    assert result.status == 500
    assert result.json() == {
        "error": "Internal Server Error",
        "message": "The function failed; its log says why.",
        "requestId": result.logs[0]["requestId"],
    }
    assert result.logs[0]["level"] == "error"
    assert "hunter2" in result.logs[0]["traceback"]


@pytest.mark.parametrize("problem", [StopIteration(1), KeyError("x"), TimeoutError()])
def test_no_error_of_a_handler_goes_unanswered(problem: Exception) -> None:
    def handler(input: Any, ctx: Context) -> Any:
        raise problem

    assert call(define(handler=handler)).status == 500


def test_what_cannot_become_json_is_500() -> None:
    assert returning({"it": object()}).status == 500
    assert returning(response.json(object())).status == 500


async def test_a_plain_handler_runs_beside_the_loop_and_an_async_one_on_it() -> None:
    here = threading.get_ident()

    async def on_loop(input: Any, ctx: Context) -> Any:
        return threading.get_ident()

    in_thread = await acall(define(handler=lambda input, ctx: threading.get_ident()))
    assert in_thread.json() != here
    assert (await acall(define(handler=on_loop))).json() == here


def test_a_callable_object_may_be_async() -> None:
    class Handler:
        async def __call__(self, input: Any, ctx: Context) -> Any:
            return "called"

    assert call(define(handler=Handler())).text == "called"


def test_a_handler_may_want_the_request() -> None:
    def handler(input: Any, ctx: Context, request: Request) -> Any:
        return [request.method, request.path, request.headers["x-own"], request.json(), ctx.path]

    result = call(define(handler=handler), {"a": 1}, path="/caf%C3%A9", headers={"X-Own": "1"})

    assert result.json() == ["POST", "/caf\u00e9", "1", {"a": 1}, "/caf\u00e9"]


def test_on_cron_there_is_no_input_and_nothing_is_checked() -> None:
    def handler(input: Lookup | None, ctx: Context) -> Any:
        return [input, ctx.isCron, ctx.isHttp, ctx.trigger.cron]

    result = call(
        define(input=Lookup, handler=handler), trigger="cron", headers={"X-Jelou-Cron": "0 9 * * *"}
    )

    assert result.json() == [None, True, False, "0 9 * * *"]


def test_path_parameters_are_beside_the_input() -> None:
    function = define(
        config={"path": "/users/:id/emails", "methods": ["GET", "POST"]},
        handler=lambda input, ctx: [dict(ctx.params), dict(ctx.query), input],
    )

    got = call(function, method="GET", path="/users/a%2Fb/emails?x=1&x=2")
    posted = call(function, {"y": 2}, params={"id": "42"}, query={"x": "1"})

    assert got.json() == [{"id": "a/b"}, {"x": "2"}, {"x": ["1", "2"]}]
    assert posted.json() == [{"id": "42"}, {"x": "1"}, {"y": 2}]
    assert call(function, path="/users/42").status == 404


def test_every_path_is_a_functions_own_unless_it_says_otherwise() -> None:
    function = define(handler=lambda input, ctx: ctx.path)

    assert call(function, path="/any/where").text == "/any/where"


def test_other_methods_are_405_with_those_that_are_allowed() -> None:
    function = define(config={"methods": ["GET", "PUT"]}, handler=plain)

    refused = call(function, method="POST")

    assert (refused.status, refused.headers["allow"]) == (405, "GET, PUT, HEAD")
    assert refused.json()["error"] == "Method Not Allowed"
    assert call(function, method="HEAD").status == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "mi tool"}, "'mi tool' is not a tool name"),
        ({"name": "x" * 65}, "is not a tool name"),
        ({"description": "x" * 1025}, "has 1025 characters"),
        ({"handler": None}, "must be a function: fn(input, ctx)"),
        ({"handler": lambda input: input}, "must be a function: fn(input, ctx)"),
        ({"handler": lambda a, b, c, d: a}, "fn(input, ctx, request)"),
        ({"input": {"type": "nothing"}}, "input of f: it is not a JSON Schema"),
        ({"output": object()}, "output of f"),
        ({"config": ["cron"]}, "config of f must be a dict"),
    ],
)
def test_a_wrong_declaration_says_what_to_write(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said.replace("(", r"\(").replace(")", r"\)")):
        define(**{"name": "f", "handler": plain, **wrong})
