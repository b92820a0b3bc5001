"""What `/openapi.json` says of a function: its address at the edge, and who needs a token."""

import json
from typing import Any

import pytest

from edge.doors.openapi_document import published
from edge.functions import EVERY_PATH, Route
from tokens.paths import PathTemplate

URL = "https://edge.example/shop"
PROTECTED = [{"jelouToken": []}]


def publish(
    document: dict[str, Any], public: bool = False, routes: tuple[Route, ...] = ()
) -> dict[str, Any]:
    """The published form of a document."""
    value = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, **document}
    result = published(json.dumps(value).encode(), url=URL, public=public, routes=routes)
    assert result is not None
    found: dict[str, Any] = json.loads(result.body)
    return found


def test_the_address_and_the_token_are_the_edges() -> None:
    found = publish(
        {
            "servers": [{"url": "http://10.0.0.7:9000"}, {"url": "http://10.0.0.8"}],
            "security": [{"oauth": []}],
            "paths": {"/a": {"get": {"operationId": "a", "security": [{"oauth": []}]}}},
            "components": {
                "securitySchemes": {"oauth": {"type": "http", "scheme": "bearer"}},
                "schemas": {"A": {"type": "string"}},
            },
        }
    )
    assert found["servers"] == [{"url": URL}]
    assert found["security"] == PROTECTED
    assert found["paths"]["/a"]["get"]["security"] == PROTECTED
    schemes = found["components"]["securitySchemes"]
    assert schemes["jelouToken"] == {"type": "apiKey", "in": "header", "name": "X-Jelou-Token"}
    assert "oauth" in schemes
    assert "10.0.0" not in json.dumps(found)


def test_a_public_function_needs_no_token() -> None:
    found = publish({"paths": {"/a": {"get": {"security": [{"oauth": []}]}}}}, public=True)
    assert found["security"] == []
    assert found["paths"]["/a"]["get"]["security"] == []


def test_all_else_is_kept() -> None:
    document = {
        "info": {"title": "Shop", "version": "7", "x-a": 1},
        "paths": {"/a": {"summary": "s", "parameters": [], "get": {"responses": {}, "x-b": [1]}}},
        "webhooks": {"w": {"post": {"security": [{"their": []}]}}},
        "components": {"schemas": {"A": {"enum": [1, None]}}},
        "x-c": {"d": True},
    }
    found = publish(document)
    assert found["info"] == document["info"]
    assert found["webhooks"] == document["webhooks"]
    assert found["x-c"] == document["x-c"]
    assert found["components"]["schemas"] == document["components"]["schemas"]  # type: ignore[index]
    operation = found["paths"]["/a"].pop("get")
    assert operation == {"responses": {}, "x-b": [1], "security": PROTECTED}
    assert found["paths"]["/a"] == {"summary": "s", "parameters": []}


def test_a_tools_own_public_shows_on_its_operation_alone() -> None:
    routes = (Route("hook", "POST", PathTemplate("/hook/{id}"), public=True),)
    paths = {"/hook/{id}": {"post": {}, "get": {}}, "/a": {"post": {}}}
    found = publish({"paths": paths}, routes=routes)["paths"]
    assert found["/hook/{id}"]["post"]["security"] == []
    assert found["/hook/{id}"]["get"]["security"] == PROTECTED
    assert found["/a"]["post"]["security"] == PROTECTED


def test_the_first_route_counts_as_it_does_at_the_gate() -> None:
    routes = (
        Route("me", "GET", PathTemplate("/users/me"), public=False),
        Route("user", "GET", PathTemplate("/users/:id"), public=True),
        Route("lost", "GET", EVERY_PATH, methods=("GET", "POST"), public=False),
    )
    paths = {path: {"get": {}} for path in ("/users/me", "/users/{id}", "/other")}
    found = publish({"paths": paths}, public=True, routes=routes)["paths"]
    needs = {path: item["get"]["security"] == PROTECTED for path, item in found.items()}
    assert needs == {"/users/me": True, "/users/{id}": False, "/other": True}


def test_a_base_path_stays_in_the_address_and_counts_for_routes() -> None:
    routes = (Route("a", "GET", PathTemplate("/v1/a"), public=True),)
    server = {
        "url": "https://elsewhere.example/{version}/",
        "variables": {"version": {"default": "v1"}},
    }
    document = {
        "servers": [server],
        "paths": {
            "/a": {"get": {}},
            "/b": {"servers": [{"url": "/v2"}], "get": {}, "post": {"servers": [{"url": "/"}]}},
        },
    }
    found = publish(document, routes=routes)
    assert found["servers"] == [{"url": f"{URL}/v1"}]
    assert found["paths"]["/a"]["get"]["security"] == []
    assert found["paths"]["/b"]["servers"] == [{"url": f"{URL}/v2"}]
    assert found["paths"]["/b"]["post"]["servers"] == [{"url": URL}]


def test_an_operation_at_a_path_in_doubt_needs_the_token_even_on_a_public_function() -> None:
    found = publish({"paths": {"/a//b": {"get": {}}}}, public=True)
    assert found["paths"]["/a//b"]["get"]["security"] == PROTECTED


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"openapi: 3.1.0",
        b'{"swagger":"2.0"}',
        b'{"openapi":"4.0.0"}',
        b'{"openapi":"3.1.0","paths":[]}',
    ],
)
def test_what_is_no_openapi_document_is_not_published(document: bytes) -> None:
    assert published(document, url=URL, public=False, routes=()) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"paths": {"/a": None, "/b": {"get": 3, "servers": "x"}}},
        {"servers": [None], "components": [], "security": "x"},
        {"servers": [{"url": "http://[bad"}], "components": {"securitySchemes": []}},
    ],
)
def test_a_document_with_broken_parts_is_published_with_the_edges_parts_right(
    broken: dict[str, Any],
) -> None:
    found = publish(broken)
    assert found["servers"] == [{"url": URL}]
    assert found["security"] == PROTECTED
    assert "jelouToken" in found["components"]["securitySchemes"]


def test_what_a_function_tells_the_edge_alone_is_not_published() -> None:
    told = {"mode": "define", "project": {"description": "Greets.", "config": {"public": True}}}
    value = {"openapi": "3.1.0", "info": {"title": "greet", "version": "1"}, "x-jelou": told}
    found = published(json.dumps(value).encode(), url=URL, public=False, routes=())
    assert found is not None
    assert "x-jelou" not in json.loads(found.body)
    assert (found.defines, found.name, found.description) == (True, "greet", "Greets.")


@pytest.mark.parametrize("told", [None, "define", {}, {"mode": "app"}, {"project": []}])
def test_every_other_function_is_an_app(told: Any) -> None:
    value = {"openapi": "3.1.0", "info": [], "x-jelou": told}
    found = published(json.dumps(value).encode(), url=URL, public=False, routes=())
    assert found is None or not found.defines
