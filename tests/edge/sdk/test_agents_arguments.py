"""Whatever arguments an agent passes, a handler gets them: through schema, bridge, URL and back."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sdk import Request, define
from edge.sdk.handling import Service
from edge.sdk.requests import Headers
from mcp_bridge.catalog import build
from mcp_bridge.requests import build as request_of

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "texts": {"type": "array", "items": {"type": "string"}},
        "wholes": {"type": "array", "items": {"$ref": "#/$defs/whole"}},
    },
    "$defs": {"whole": {"type": "integer"}},
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "whole": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53),
    "flag": st.booleans(),
    "maybe": st.integers(),
    "texts": st.lists(TEXT, min_size=1),
    "wholes": st.lists(st.integers(), min_size=1),
}
ARGUMENTS = st.fixed_dictionaries({}, optional=VALUES)
SEGMENT = TEXT.filter(lambda text: text not in ("", ".", ".."))


def serving(method: str) -> tuple[Service, Any]:
    config = {"methods": [method], "path": "/at/:place"}
    function = define(
        name="f",
        input=SCHEMA,
        config=config,
        handler=lambda input, ctx: {"input": input, "place": ctx.params["place"]},
    )
    service = Service(function, "f", write=lambda line: None)
    document = asyncio.run(service.answer(Request("GET", "/openapi.json"))).body
    assert isinstance(document, bytes)
    return service, build(document).entries["f"].tool


SERVED = {method: serving(method) for method in ("GET", "POST", "DELETE")}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SERVED)), ARGUMENTS, SEGMENT)
def test_a_handler_gets_what_the_agent_passed(
    method: str, arguments: dict[str, Any], place: str
) -> None:
    service, tool = SERVED[method]
    made = request_of(tool, {**arguments, "place": place})
    path, _, query = made.target.decode().partition("?")
    headers = Headers([(name.decode(), value.decode()) for name, value in made.headers])

    answer = asyncio.run(
        service.answer(Request(made.method, path, query, headers, made.body or b""))
    )

    assert isinstance(answer.body, bytes)
    assert answer.status == 200, answer.body
    assert json.loads(answer.body) == {"input": arguments, "place": place}
