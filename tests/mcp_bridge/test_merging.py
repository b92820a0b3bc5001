"""The tools of several functions at one address: names, scopes, lists, and what a request needs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.admission import McpHead
from mcp_bridge.catalog import Catalog, build
from mcp_bridge.endpoint import McpRequest
from mcp_bridge.merging import Named, listing, merged, needed, renamed
from mcp_bridge.names import is_legal, joined, may_name
from tests.mcp_bridge.serving import document
from tokens.model import Principal, Scopes

SLUGS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)


def catalog(*names: str) -> Catalog:
    paths = {f"/{number}": {"get": {"operationId": name}} for number, name in enumerate(names)}
    return build(document(paths))


def principal(*scopes: str) -> Principal:
    return Principal("tok_a", "a", "*", Scopes.parse(scopes), "tok_a")


def names(found: Catalog, *scopes: str) -> list[str]:
    return [tool.name for tool in found.visible(principal(*scopes), False)]


@given(SLUGS, NAMES)
def test_a_joined_name_is_legal_stable_and_says_whose_it_may_be(slug: str, name: str) -> None:
    made = joined(slug, name)
    assert is_legal(made)
    assert made == joined(slug, name)
    assert may_name(slug, made)
    assert len(slug) + len(name) + 2 > 64 or made == f"{slug}__{name}"


@given(SLUGS, SLUGS, NAMES, NAMES)
def test_no_two_functions_whose_slugs_are_not_cut_share_a_name(
    one: str, two: str, first: str, second: str
) -> None:
    if one != two and len(one) <= 53 and len(two) <= 53:
        assert joined(one, first) != joined(two, second)
        assert not may_name(one, joined(two, second))


def test_names_that_are_cut_stay_apart() -> None:
    long = ["a" * 63 + "b", "a" * 63 + "c"]
    found = renamed("shop", catalog(*long), public=False)
    assert len(found.entries) == 2
    assert all(is_legal(name) and name.startswith("shop__aaaa") for name in found.entries)


def test_a_name_that_is_whole_is_not_lost_to_one_that_was_cut() -> None:
    long = "a" * 64
    cut = joined("shop", long)
    found = renamed("shop", catalog(long, cut.removeprefix("shop__")), public=False)
    assert list(found.entries) == [cut]
    assert found.entries[cut].tool.operation.path == "/1"


@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        ((), ["a__one", "a__two", "b__one"]),
        (("mcp",), ["a__one", "a__two", "b__one"]),
        (("tool:a__one",), ["a__one"]),
        (("tool:one",), ["a__one", "b__one"]),
        (("tool:a__two", "tool:b__one"), ["a__two", "b__one"]),
        (("tool:c__one",), []),
        (("http",), []),
    ],
)
def test_scopes_name_a_tool_with_its_function_or_in_every_function(
    scopes: tuple[str, ...], seen: list[str]
) -> None:
    parts = [
        listing(slug, made, public=False, search=False)
        for slug, made in (("b", catalog("one")), ("a", catalog("one", "two")))
    ]
    assert names(merged(parts), *scopes) == seen


def test_a_scope_may_hold_the_whole_name_of_a_tool_whose_name_is_cut() -> None:
    long = "t" * 64
    found = renamed("shop", catalog(long), public=False)
    shown = joined("shop", long)
    for scope in (f"tool:shop__{long}", f"tool:{long}", f"tool:{shown}"):
        assert names(found, scope) == [shown]


def test_tools_of_a_public_function_are_there_for_any_token() -> None:
    public = listing("open", catalog("one"), public=True, search=False)
    private = listing("shut", catalog("one"), public=False, search=False)
    assert names(merged([public, private]), "tool:other") == ["open__one"]


def test_nothing_that_is_only_listed_takes_any_arguments() -> None:
    listed = listing("shop", catalog("one"), public=True, search=False)
    assert listed.entries["shop__one"].arguments.violations({})


def test_a_function_in_search_mode_lists_two_tools_whose_texts_name_one_another() -> None:
    found = listing("shop", catalog("one", "two"), public=False, search=True)
    assert list(found.entries) == ["shop__call_tool", "shop__find_tools"]
    told = found.entries["shop__call_tool"].tool
    assert "shop__find_tools" in told.description
    assert "shop__find_tools" in json.dumps(told.input_schema)


def test_the_digest_says_whether_what_is_shown_changed() -> None:
    def made(slug: str, *tools: str, public: bool = False) -> str:
        return merged([listing(slug, catalog(*tools), public=public, search=False)]).digest

    assert made("a", "one") == made("a", "one")
    assert (
        len({made("a", "one"), made("b", "one"), made("a", "two"), made("a", "one", public=True)})
        == 4
    )


def rpc(method: str, params: Any = None) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": method}
    return json.dumps(message if params is None else {**message, "params": params}).encode()


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        (rpc("tools/list"), "every tool"),
        (rpc("subscriptions/listen", {}), "every tool"),
        (rpc("tools/call", {"name": "a__b"}), Named("a__b")),
        (rpc("tools/call", {"name": 7}), "no tool"),
        (rpc("tools/call", []), "no tool"),
        (rpc("tools/call"), "no tool"),
        (rpc("initialize", {}), "no tool"),
        (rpc("ping"), "no tool"),
        (b"[" + rpc("tools/list") + b"]", "no tool"),
        (b"[" * 100_000, "no tool"),
        (b"", "no tool"),
    ],
)
def test_a_request_says_which_tools_it_is_about(body: bytes, needs: object) -> None:
    assert needed(McpRequest(McpHead("POST", ()), body)) == needs
    assert needed(McpRequest(McpHead("GET", ()), body)) == "every tool"
    assert needed(McpRequest(McpHead("DELETE", ()), body)) == "no tool"
