"""Which tool's settings a request gets, and that doubt never opens a door."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.functions import Project, Route
from edge.project_file.parse import parse_project
from edge.project_file.routes import resolve_routes, unresolved_tools
from tokens.paths import PathTemplate

Tools = list[tuple[str, str, str]]


def project(public: bool = False, **tools: dict[str, Any]) -> Project:
    """A project whose tools have these settings: `operationId` is the tool's own name."""
    entries = {name: {"operationId": name, "config": config} for name, config in tools.items()}
    value = {
        "function": "shop",
        "upstream": "http://a",
        "config": {"public": public},
        "tools": entries,
    }
    parsed = parse_project(json.dumps(value))
    assert parsed.project is not None, parsed.problems
    return parsed.project


def first(routes: tuple[Route, ...], method: str, path: str) -> Route | None:
    """The route that counts for a request."""
    for route in routes:
        if route.takes(method) and route.template.matches(path.encode()):
            return route
    return None


def is_public(what: Project, routes: tuple[Route, ...], method: str, path: str) -> bool:
    """Whether routes and function let a request in without a token."""
    route = first(routes, method, path)
    own = route.public if route else None
    return what.config.public if own is None else own


def test_a_tool_without_settings_of_its_own_has_no_route() -> None:
    assert resolve_routes(project(plain={}), [("plain", "GET", "/plain")]) == ()


def test_a_tools_settings_stand_on_its_route() -> None:
    what = project(hook={"public": True, "methods": ["POST", "PUT"], "timeout": 5000})
    [route] = resolve_routes(what, [("hook", "POST", "/hook"), ("x", "GET", "/x")])
    assert (route.tool, route.method, route.template.text) == ("hook", "POST", "/hook")
    assert (route.public, route.methods, route.timeout) == (True, ("POST", "PUT"), 5000)


def test_a_tool_with_method_and_path_needs_no_document() -> None:
    text = """{"function": "a", "upstream": "http://a", "tools": {
        "hook": {"method": "POST", "path": "/hook/:id", "config": {"public": true}}}}"""
    what = parse_project(text).project
    assert what is not None
    [route] = resolve_routes(what, [])
    assert (route.method, route.template.text, route.public) == ("POST", "/hook/:id", True)
    assert unresolved_tools(what, []) == ()


def test_a_public_template_does_not_open_the_protected_path_beside_it() -> None:
    what = project(user={"public": True})
    routes = resolve_routes(what, [("user", "GET", "/users/{id}"), ("me", "GET", "/users/me")])
    assert is_public(what, routes, "GET", "/users/7")
    assert not is_public(what, routes, "GET", "/users/me")
    assert not is_public(what, routes, "POST", "/users/7")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_equally_exact_tools_the_protected_one_counts(order: int) -> None:
    what = project(open={"public": True}, shut={"public": False})
    tools: Tools = [("open", "GET", "/a/{x}"), ("shut", "GET", "/{y}/b")]
    routes = resolve_routes(what, tools[::order])
    assert not is_public(what, routes, "GET", "/a/b")
    assert is_public(what, routes, "GET", "/a/c")


def test_a_public_tools_further_methods_do_not_open_its_neighbours() -> None:
    what = project(read={"public": True, "methods": ["GET", "POST"]})
    routes = resolve_routes(what, [("read", "GET", "/a"), ("write", "POST", "/a")])
    assert is_public(what, routes, "GET", "/a")
    assert not is_public(what, routes, "POST", "/a")


def test_a_protected_template_leaves_the_rest_of_a_public_function_open() -> None:
    what = project(public=True, user={"public": False})
    routes = resolve_routes(what, [("user", "GET", "/users/{id}"), ("me", "GET", "/users/me")])
    assert not is_public(what, routes, "GET", "/users/7")
    assert is_public(what, routes, "GET", "/users/me")
    assert is_public(what, routes, "GET", "/other")


def test_while_a_protected_tool_is_nowhere_to_be_found_a_public_function_is_shut() -> None:
    what = project(public=True, admin={"public": False}, hook={"public": True})
    routes = resolve_routes(what, [("hook", "POST", "/hook")])
    assert unresolved_tools(what, [("hook", "POST", "/hook")]) == ("admin",)
    assert is_public(what, routes, "POST", "/hook")
    for method, path in product(("GET", "HEAD", "POST", "DELETE"), ("/", "/admin", "/a/../b")):
        assert not is_public(what, routes, method, path)
    found = resolve_routes(what, [("hook", "POST", "/hook"), ("admin", "GET", "/admin")])
    assert is_public(what, found, "GET", "/")
    assert not is_public(what, found, "GET", "/admin")


def test_a_public_tool_that_is_nowhere_to_be_found_opens_nothing() -> None:
    what = project(hook={"public": True})
    assert resolve_routes(what, []) == ()


_SEGMENT = st.sampled_from(["a", "b", "{x}", "v{x}"])
_PATH = st.lists(_SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
_TOOLS = st.lists(
    st.tuples(st.sampled_from(["GET", "POST"]), _PATH, st.sampled_from([None, True, False])),
    min_size=1,
    max_size=6,
    unique_by=lambda tool: tool[:2],
)


@given(st.booleans(), _TOOLS, _PATH.map(lambda path: path.replace("{x}", "a")))
@settings(max_examples=150, deadline=None)
def test_what_is_let_in_is_no_protected_tool_that_fits_as_well(
    public: bool, entries: list[tuple[str, str, bool | None]], path: str
) -> None:
    tools: Tools = [(f"t{n}", method, text) for n, (method, text, _) in enumerate(entries)]
    own = {f"t{n}": {} if p is None else {"public": p} for n, (_, _, p) in enumerate(entries)}
    what = project(public, **own)
    routes = resolve_routes(what, tools)
    effective = {name: config.get("public", public) for name, config in own.items()}
    fitting = [
        (template.parameters, effective[name])
        for name, method, template in ((n, m, PathTemplate(text)) for n, m, text in tools)
        if method == "GET" and template.matches(path.encode())
    ]
    if not fitting:
        return
    fewest = min(parameters for parameters, _ in fitting)
    expected = all(open_ for parameters, open_ in fitting if parameters == fewest)
    assert is_public(what, routes, "GET", path) == expected
