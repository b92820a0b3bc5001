"""What holds for every request, however it is spelt: nobody comes in without a good token."""

import re
from dataclasses import replace
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import Errors
from edge.functions import Function, McpSettings
from edge.gate.decide import decide
from edge.gate.decisions import (
    Answer,
    Bridge,
    Decision,
    Forward,
    Lookup,
    Open,
    Place,
    Refuse,
    Status,
)
from edge.message import Head, Headers, Peer
from tests.support.asking import (
    EXPIRED,
    GOOD,
    HTTP_ONLY,
    LATER,
    MADE_UP,
    MCP_ONLY,
    NARROW,
    NOW,
    ONE_TOOL,
    OTHER,
    REVOKED,
    SETTINGS,
    SHORT_LIVED,
    TOKENS,
    WIDE,
    Known,
    function,
    route,
)
from tokens.paths import PathTemplate, is_plain

modest = settings(max_examples=250, deadline=None)

SCOPED = (HTTP_ONLY, MCP_ONLY, NARROW, ONE_TOOL)
BAD = (OTHER, REVOKED, EXPIRED, MADE_UP, GOOD[:-1], GOOD.upper(), "", "x")

hosts = st.sampled_from(
    [b"shop.fn.localhost", b"SHOP.fn.localhost.:80", b"127.0.0.1:8080", b"no.fn.localhost"]
)
methods = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PURGE"]
)
pieces = st.sampled_from(
    b"/ // . .. ; ? %2e %2F %252e %252f \\ %5c %00 %20 x 7 orders Orders secret s%65cret open OPEN"
    b" me mcp shop __health openapi.json .well-known oauth-protected-resource openid-configuration"
    b" __edge live".split()
)
targets = st.one_of(
    st.lists(pieces, max_size=8).map(lambda parts: b"/" + b"".join(parts)),
    st.lists(pieces, max_size=6).map(lambda parts: b"/shop/" + b"/".join(parts)),
    st.lists(pieces, max_size=4).map(lambda parts: b"http://shop.fn.localhost/" + b"".join(parts)),
    st.sampled_from([b"/secret", b"/open", b"/orders/7", b"/orders/me", b"/mcp", b"*"]),
)
plain_fields = st.lists(
    st.sampled_from(
        [
            (b"origin", b"https://evil.example"),
            (b"origin", b"null"),
            (b"access-control-request-method", b"PUT"),
            (b"content-length", b"5"),
            (b"content-length", b"99999999999"),
            (b"transfer-encoding", b"chunked"),
            (b"connection", b"x-jelou-token"),
            (b"connection", b"upgrade"),
            (b"authorization", b"Bearer eyJ"),
            (b"authorization", b"Basic eA=="),
            (b"accept", b"application/problem+json"),
            (b"x-forwarded-host", b"shop.fn.localhost"),
            (b"x-http-method-override", b"GET"),
        ]
    ),
    max_size=4,
).map(tuple)

bad_secrets = st.sampled_from(BAD)
bad_tokens: st.SearchStrategy[Headers] = st.one_of(
    st.just(()),
    bad_secrets.map(lambda secret: ((b"x-jelou-token", secret.encode()),)),
    bad_secrets.map(lambda secret: ((b"authorization", b"Bearer " + secret.encode()),)),
    bad_secrets.map(lambda secret: ((b"x-api-key", secret.encode()),)),
    st.just(((b"x-jelou-token", GOOD.encode()), (b"x-jelou-token", GOOD.encode()))),
    st.just(((b"x_jelou_token", GOOD.encode()),)),
    st.just(((b"cookie", b"x-jelou-token=" + GOOD.encode()),)),
)
peers = st.sampled_from([Peer("203.0.113.9", "http"), Peer("127.0.0.1", "https"), Peer("", "http")])

ROUTES = (
    route("GET", "/secret", public=False),
    route("GET", "/orders/me", public=False),
    route("GET", "/open", public=True),
    route("GET", "/orders/{id}", public=True),
    route("POST", "/open", public=True, methods=("POST", "PURGE")),
)


def heads(tokens: st.SearchStrategy[Headers]) -> st.SearchStrategy[Head]:
    def made(
        method: str, target: bytes, host: bytes, fields: Headers, token: Headers, *rest: Any
    ) -> Head:
        version, peer, websocket = rest
        sent = ((b"host", host), *fields, *token)
        return Head(method, target, sent, version, peer, websocket)

    versions = st.sampled_from(["1.0", "1.1", "2", "3"])
    return st.builds(
        made, methods, targets, hosts, plain_fields, tokens, versions, peers, st.booleans()
    )


configs = st.fixed_dictionaries(
    {
        "routes": st.lists(st.sampled_from(ROUTES), unique=True).map(
            lambda found: tuple(sorted(found, key=lambda r: (r.template.parameters, r.public)))
        ),
        "methods": st.sampled_from([("GET",), ("POST",), ("GET", "POST", "OPTIONS", "PURGE")]),
        "path": st.sampled_from([PathTemplate("*"), PathTemplate("/orders/{id}")]),
        "body_limit": st.sampled_from([None, 0, 10]),
        "mcp": st.sampled_from([McpSettings(), McpSettings(enabled=False)]),
        "timeout": st.sampled_from([1, 30_000]),
        "accept_tokens_in": st.sampled_from(
            [None, ("x-jelou-token", "authorization", "x-api-key")]
        ),
    }
)


def told(decision: Decision) -> object:
    """A decision without the function that it names: what a caller can see of it."""
    if isinstance(decision, Refuse | Answer):
        return replace(decision, place=None)
    return decision


def reached(decision: Decision) -> Place | None:
    """Where a decision leads, if it is about a function."""
    return None if isinstance(decision, Status | Lookup) else decision.place


def decided(head: Head, *functions: Function) -> Decision:
    return decide(Known(functions), head, NOW, SETTINGS)


def is_open_by_bytes(head: Head, decision: Forward | Bridge) -> bool:
    """Whether the raw path is that of a route which says so itself."""
    place = decision.place
    return is_plain(place.path) and any(
        found.public and found.takes(head.method) and found.template.matches(place.path)
        for found in place.function.live.routes
    )


@modest
@given(heads(bad_tokens), configs)
def test_without_a_good_token_nothing_reaches_a_private_function_but_its_public_tools(
    head: Head, config: dict[str, Any]
) -> None:
    decision = decided(head, function(**config))
    if isinstance(decision, Forward | Bridge):
        assert decision.principal is None
        assert not decision.checked
        assert isinstance(decision, Forward)
        assert is_open_by_bytes(head, decision)


@modest
@given(heads(bad_tokens), configs)
def test_without_a_good_token_no_protected_tool_of_a_public_function_is_reached(
    head: Head, config: dict[str, Any]
) -> None:
    shop = function(public=True, **config)
    decision = decided(head, shop)
    if not isinstance(decision, Forward):
        return
    assert is_plain(decision.place.path)
    path = decision.place.path.lower().rstrip(b"/")
    path = re.sub(rb";[^/]*", b"", path).replace(b"%65", b"e")
    for found in shop.live.routes:
        if found.public is False and found.takes(head.method):
            assert not found.template.matches(path)


@modest
@given(heads(bad_tokens), configs)
def test_with_discovery_of_its_own_a_function_gets_nothing_else_unchecked(
    head: Head, config: dict[str, Any]
) -> None:
    shop = function(oauth=True, **{**config, "routes": ()})
    decision = decided(head, shop)
    if isinstance(decision, Forward | Bridge):
        assert decision.place.path.startswith(b"/.well-known/o")
        assert is_plain(decision.place.path)
        assert head.method in ("GET", "HEAD")


@modest
@given(heads(bad_tokens), configs, configs)
def test_what_is_said_before_the_token_depends_on_no_route_method_or_tool(
    head: Head, one: dict[str, Any], other: dict[str, Any]
) -> None:
    answers = []
    for config in (one, other):
        private = tuple(replace(found, public=False) for found in config["routes"])
        decision = decided(head, function(**(config | {"routes": private})))
        answers.append(told(decision))
    if isinstance(answers[0], Open):
        assert isinstance(answers[1], Open)
        assert answers[0].document == answers[1].document
    else:
        assert answers[0] == answers[1]


@modest
@given(heads(bad_tokens), configs)
def test_a_deleted_function_and_one_that_never_was_are_the_same(
    head: Head, config: dict[str, Any]
) -> None:
    elsewhere = function("elsewhere", **config)
    assert told(decided(head)) == told(decided(head, elsewhere))


@modest
@given(heads(st.sampled_from(SCOPED).map(lambda s: ((b"x-jelou-token", s.encode()),))), configs)
def test_a_scoped_token_reaches_nothing_outside_its_scopes(
    head: Head, config: dict[str, Any]
) -> None:
    decision = decided(head, function(**config))
    if isinstance(decision, Open) and decision.checked:
        raise AssertionError("open documents are open here")
    if not isinstance(decision, Forward | Bridge) or not decision.checked:
        return
    assert decision.principal is not None
    scopes = decision.principal.scopes
    if isinstance(decision, Bridge):
        assert scopes.opens_mcp
    else:
        assert scopes.http(head.method, decision.place.path)
        assert is_plain(decision.place.path)


good_tokens: st.SearchStrategy[Headers] = st.sampled_from([GOOD, WIDE, SHORT_LIVED]).map(
    lambda secret: ((b"x-jelou-token", secret.encode()),)
)


@modest
@given(heads(good_tokens), configs, st.booleans())
def test_what_is_forwarded_is_the_raw_target(
    head: Head, config: dict[str, Any], public: bool
) -> None:
    decision = decided(head, function(public=public, **config))
    if isinstance(decision, Forward | Bridge):
        place = decision.place
        assert place.target.startswith(place.path)
        assert decision.principal in [token.principal for token in TOKENS.values()]
        assert (place.prefix + place.target).rstrip(b"/") in head.target + b"/"
        assert (b"host", place.authority) in head.headers or place.authority in head.target


@modest
@given(heads(good_tokens), configs)
def test_a_path_that_is_not_plain_is_never_public(head: Head, config: dict[str, Any]) -> None:
    shop = function(public=True, oauth=True, **config)
    bare = replace(head, headers=tuple(f for f in head.headers if f[0] != b"x-jelou-token"))
    decision = decided(bare, shop)
    place = reached(decision)
    if place is not None and not is_plain(place.path):
        assert isinstance(decision, Refuse | Answer)
        if isinstance(decision, Refuse):
            kind = decision.refusal.kind
            assert kind in (Errors.UNAUTHORIZED.value, Errors.BAD_REQUEST.value)


junk = st.one_of(st.binary(max_size=20), st.sampled_from([b"host", b"connection", b"origin"]))


@modest
@given(
    st.text(max_size=8),
    st.one_of(st.binary(max_size=40), targets),
    st.lists(st.tuples(junk.map(bytes.lower), st.one_of(junk, hosts)), max_size=6).map(tuple),
    st.sampled_from(["1.0", "1.1", "2"]),
    st.booleans(),
    configs,
)
def test_no_head_makes_the_gate_raise(
    method: str,
    target: bytes,
    fields: Headers,
    version: str,
    websocket: bool,
    config: dict[str, Any],
) -> None:
    for sent in (fields, ((b"host", b"shop.fn.localhost"), *fields)):
        head = Head(method, target, sent, version, Peer("203.0.113.9", "http"), websocket)
        for public in (False, True):
            decision = decided(head, function(public=public, **config))
            assert isinstance(decision, Refuse | Answer | Status | Open | Forward | Bridge)


@modest
@given(heads(st.just(((b"x-jelou-token", LATER.encode()),))), configs, st.booleans())
def test_a_token_that_must_be_looked_up_first_lets_nothing_through(
    head: Head, config: dict[str, Any], public: bool
) -> None:
    decision = decided(head, function(public=public, **config))
    assert not isinstance(decision, Forward | Bridge)
    assert isinstance(decision, Refuse | Answer | Status | Open | Lookup)


def test_the_order_of_fields_changes_no_decision() -> None:
    fields = (
        (b"host", b"shop.fn.localhost"),
        (b"x-jelou-token", GOOD.encode()),
        (b"authorization", b"Bearer " + WIDE.encode()),
        (b"content-length", b"3"),
    )
    shop = function(accept_tokens_in=("x-jelou-token", "authorization"))
    answers = {
        repr(told(decided(Head("POST", b"/a", order, "1.1", Peer("", "http")), shop)))
        for order in permutations(fields)
    }
    assert len(answers) == 1
