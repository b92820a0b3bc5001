"""What a function is sent and what of its answer goes back: section by section, field by field."""

import re
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.forwarding import plan
from edge.functions import Cors, Function, Upstream
from edge.headers import Networks
from edge.message import Headers, Peer, first, values
from tests.support.asking import GOOD, TOKENS, UNKNOWN, UPSTREAM, function, head
from tokens.model import Principal
from tokens.secret import contains_token

TOKEN = GOOD.encode()
PRINCIPAL = TOKENS[GOOD].principal
FRESH = bytes(range(40))
TRUSTED: Networks = (ip_network("10.0.0.0/8"),)
PROXY = Peer("10.0.0.1", "http")
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EDGE_ID = "e1"


def called(
    *fields: tuple[bytes, bytes],
    peer: Peer = UNKNOWN,
    networks: Networks = (),
    prefix: bytes = b"",
    authority: bytes = b"shop.fn.localhost",
) -> plan.Caller:
    asked = head("GET", b"/a", *fields, host=authority, peer=peer)
    return plan.caller(asked, authority, prefix, networks)


def sent(
    *fields: tuple[bytes, bytes],
    to: Function | None = None,
    principal: Principal | None = None,
    trigger: plan.Trigger = "http",
    upgrade: bool = False,
    **caller: Any,
) -> Headers:
    """The fields that the function gets for a request with these fields."""
    shop = to or function()
    who = called(*fields, **caller)
    everything = ((b"host", b"shop.fn.localhost"), *fields)
    upstream = shop.live.project.upstreams[0]
    named = plan.ids(everything, FRESH)
    return plan.request_headers(
        everything, named, who, shop, upstream, principal, trigger, EDGE_ID, upgrade=upgrade
    )


def test_end_to_end_fields_arrive_as_sent_in_order_and_number() -> None:
    fields: Headers = (
        (b"accept", b"a"),
        (b"x-one", b"1"),
        (b"accept", b"b"),
        (b"content-type", b"text/plain"),
        (b"authorization", b"Bearer eyJ"),
        (b"x-api-key", b"abc"),
        (b"x-jelou-signature", b"sig"),
        (b"origin", b"https://a.example"),
        (b"range", b"bytes=0-1"),
        (b"x-empty", b""),
    )
    assert sent(*fields)[: len(fields)] == fields


def test_each_name_of_the_edges_own_is_said_once() -> None:
    fields = sent(principal=PRINCIPAL, prefix=b"/shop")
    names = [name for name, _ in fields]
    assert len(names) == len(set(names))
    assert dict(fields) == {
        b"host": b"127.0.0.1:9000",
        b"x-forwarded-for": b"203.0.113.9",
        b"x-real-ip": b"203.0.113.9",
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"shop.fn.localhost",
        b"x-forwarded-prefix": b"/shop",
        b"via": b"1.1 jelou-edge-e1",
        b"x-request-id": b"00010203-0405-4607-8809-0a0b0c0d0e0f",
        b"traceparent": b"00-101112131415161718191a1b1c1d1e1f-2021222324252627-00",
        b"x-jelou-function": b"shop",
        b"x-jelou-deployment": b"dep_abc12345",
        b"x-jelou-trigger": b"http",
        b"x-jelou-token-id": b"tok_good",
        b"x-jelou-token-name": b"good",
    }


def test_without_a_token_its_fields_are_absent_and_so_is_the_prefix_in_host_form() -> None:
    names = {name for name, _ in sent()}
    assert not names & {b"x-jelou-token-id", b"x-jelou-token-name", b"x-forwarded-prefix"}


@pytest.mark.parametrize("trigger", ["http", "mcp", "cron"])
def test_the_function_is_told_what_brought_the_request(trigger: plan.Trigger) -> None:
    assert first(sent(trigger=trigger), b"x-jelou-trigger") == trigger.encode()


FORGED: Headers = (
    (b"x-jelou-token", TOKEN),
    (b"x-jelou-token-id", b"tok_forged"),
    (b"x_jelou_token_name", b"forged"),
    (b"x-jelou.function", b"forged"),
    (b"x-jelou-cron", b"forged"),
    (b"x_jelou_cron_signature", b"forged"),
    (b"x-jelou-mcp", b"forged"),
    (b"x-jelou-bot-id", b"forged"),
    (b"x-jelou-error-source", b"forged"),
    (b"forwarded", b"for=forged"),
    (b"x-real-ip", b"forged"),
    (b"x_real_ip", b"forged"),
    (b"x-forwarded-port", b"forged"),
    (b"x-forwarded-prefix", b"/forged"),
    (b"x_forwarded_for", b"forged"),
    (b"x_request_id", b"forged"),
    (b"content_length", b"forged"),
    (b"transfer_encoding", b"forged"),
    (b"x_host", b"fine"),
)


@pytest.mark.parametrize("peer", [PROXY, Peer("127.0.0.1", "http"), Peer("", "http")])
def test_what_callers_claim_is_dropped_from_every_peer(peer: Peer) -> None:
    fields = sent(*FORGED, peer=peer, networks=TRUSTED)
    assert not [pair for pair in fields if b"forged" in pair[1]]
    assert (b"x_host", b"fine") in fields
    assert TOKEN not in b"".join(value for _, value in fields)


names = st.sampled_from(
    [name for name, _ in FORGED]
    + [b"x-request-id", b"via", b"tracestate", b"cookie", b"x-forwarded-for", b"x-forwarded-host"]
    + [b"authorization", b"x-api-key", b"te", b"accept", b"x-forwarded-proto", b"host-x"]
)
spellings = st.sampled_from([b"-", b"_", b".", b"~"])
field_values = st.sampled_from(
    [
        b"forged", TOKEN, b"Bearer " + TOKEN, b"a, " + TOKEN, TOKEN.replace(b"_", b"%5f"), b"",
        b"https", b"6.6.6.6, 7.7.7.7", b"trailers, " + TOKEN, b"t=" + TOKEN + b"; u=v",
    ]
)  # fmt: skip
OURS = re.compile(
    rb"x-jelou-(?:token.*|function|deployment|trigger|cron.*|bot-id|mcp|error-source)"
    rb"|forwarded|x-real-ip|x-forwarded-.*"
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(names, spellings, field_values), max_size=8),
    st.sampled_from([PROXY, Peer("203.0.113.9", "https"), Peer("127.0.0.1", "http")]),
    st.booleans(),
)
def test_no_reserved_field_of_a_caller_and_no_token_reaches_a_function(
    spelt: list[tuple[bytes, bytes, bytes]], peer: Peer, named: bool
) -> None:
    fields = tuple((name.replace(b"-", mark), value) for name, mark, value in spelt)
    principal = PRINCIPAL if named else None
    got = sent(*fields, peer=peer, networks=TRUSTED, principal=principal)
    assert not [value for _, value in got if contains_token(value)]
    bare = dict(sent(peer=peer, networks=TRUSTED, principal=principal))
    told_by_proxy = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip"}
    seen = set()
    for name, value in got:
        folded = re.sub(rb"[^a-z0-9]", b"-", name.lower())
        if OURS.fullmatch(folded) is None:
            continue
        assert folded == name
        assert name not in seen
        seen.add(name)
        assert bare[name] == value or (name in told_by_proxy and peer is PROXY)


def test_a_field_that_the_project_sets_replaces_the_callers_in_every_spelling() -> None:
    keyed = function(
        project={"headers": (("X-Api-Key", "ours"), ("Authorization", "Basic b3Vycw"))}
    )
    fields = sent(
        (b"x-api-key", b"theirs"),
        (b"x_api_key", b"theirs"),
        (b"authorization", b"theirs"),
        to=keyed,
    )
    assert values(fields, b"x-api-key") == [b"ours"]
    assert values(fields, b"authorization") == [b"Basic b3Vycw"]
    assert b"theirs" not in [value for _, value in fields]


def test_a_trusted_proxy_tells_the_client_the_scheme_and_the_host() -> None:
    fields = sent(
        (b"x-forwarded-for", b"6.6.6.6, 198.51.100.7"),
        (b"x-forwarded-proto", b"HTTPS"),
        (b"x-forwarded-host", b"api.example:8443"),
        peer=PROXY,
        networks=TRUSTED,
    )
    assert first(fields, b"x-forwarded-for") == b"6.6.6.6, 198.51.100.7, 10.0.0.1"
    assert first(fields, b"x-real-ip") == b"198.51.100.7"
    assert first(fields, b"x-forwarded-proto") == b"https"
    assert first(fields, b"x-forwarded-host") == b"api.example:8443"


@pytest.mark.parametrize("peer", [Peer("203.0.113.9", "https"), Peer("127.0.0.1", "https")])
def test_any_other_peer_tells_nothing(peer: Peer) -> None:
    fields = sent(
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"evil.example"),
        peer=peer,
        networks=TRUSTED,
    )
    assert first(fields, b"x-forwarded-for") == peer.address.encode()
    assert first(fields, b"x-forwarded-proto") == b"https"
    assert first(fields, b"x-forwarded-host") == b"shop.fn.localhost"


def test_what_a_proxy_says_twice_or_wrong_is_not_believed() -> None:
    fields = sent(
        (b"x-forwarded-proto", b"https, http"),
        (b"x-forwarded-host", b"a.example"),
        (b"x-forwarded-host", b"b.example"),
        peer=PROXY,
        networks=TRUSTED,
    )
    assert first(fields, b"x-forwarded-proto") == b"http"
    assert first(fields, b"x-forwarded-host") == b"shop.fn.localhost"


def test_a_peer_without_an_address_leaves_no_empty_field() -> None:
    names = {name for name, _ in sent(peer=Peer("", "http"))}
    assert not names & {b"x-forwarded-for", b"x-real-ip"}


def test_the_host_is_the_upstreams_unless_the_callers_is_preserved() -> None:
    assert values(sent(), b"host") == [b"127.0.0.1:9000"]
    kept = function(project={"preserve_host": True})
    assert values(sent(to=kept), b"host") == [b"shop.fn.localhost"]
    assert first(sent(to=kept), b"x-forwarded-host") == b"shop.fn.localhost"


@pytest.mark.parametrize(
    ("upstream", "host"),
    [
        (Upstream("http", "a.example", 80), b"a.example"),
        (Upstream("https", "a.example", 443), b"a.example"),
        (Upstream("http", "a.example", 443), b"a.example:443"),
        (Upstream("http", "::1", 9000), b"[::1]:9000"),
        (Upstream("unix", socket="/run/a.sock"), b"localhost"),
    ],
)
def test_the_host_is_written_as_a_client_of_the_upstream_would(
    upstream: Upstream, host: bytes
) -> None:
    assert values(sent(to=function(upstream=upstream)), b"host") == [host]


def test_via_is_appended_and_a_loop_is_seen() -> None:
    fields = sent((b"via", b"1.0 other, 1.1 jelou-edge-e2"))
    assert values(fields, b"via") == [b"1.0 other, 1.1 jelou-edge-e2", b"1.1 jelou-edge-e1"]
    assert plan.loops(fields, "e1")
    assert plan.loops(((b"via", b"1.0 a"), (b"via", b"1.1 b, 2 jelou-edge-e1 (x)")), "e1")
    assert not plan.loops(((b"via", b"1.1 jelou-edge-e11, 1.1 xjelou-edge-e1"),), "e1")
    assert not plan.loops((), "e1")


def test_the_request_id_is_the_callers_or_a_uuid() -> None:
    assert values(sent((b"x-request-id", b"abc.1")), b"x-request-id") == [b"abc.1"]
    for wrong in (b"a b", b"x" * 129, TOKEN):
        made = first(sent((b"x-request-id", wrong)), b"x-request-id")
        assert made is not None
        assert re.fullmatch(
            rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made
        )


def test_a_trace_is_continued_with_its_state_or_begun_without() -> None:
    state = (b"tracestate", b"a=1")
    continued = sent((b"traceparent", TRACE), state, (b"tracestate", b"b=2"))
    assert values(continued, b"traceparent") == [TRACE]
    assert values(continued, b"tracestate") == [b"a=1", b"b=2"]
    begun = sent((b"traceparent", b"00-junk"), state)
    assert values(begun, b"tracestate") == []
    assert len(values(begun, b"traceparent")) == 1
    assert first(begun, b"traceparent") != b"00-junk"


@pytest.mark.parametrize(
    ("te", "kept"),
    [(b"trailers", True), (b"gzip, Trailers", True), (b"gzip", False), (b"", False)],
)
def test_te_is_kept_for_trailers_alone(te: bytes, kept: bool) -> None:
    fields = sent((b"te", te), (b"connection", b"te"))
    assert values(fields, b"te") == ([b"trailers"] if kept else [])
    assert values(fields, b"connection") == ([b"te"] if kept else [])


def test_upgrades_but_websocket_and_expectations_end_here() -> None:
    fields = sent(
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAMAAABk"),
        (b"connection", b"Upgrade, HTTP2-Settings"),
        (b"expect", b"100-continue"),
        (b"content-length", b"5"),
        (b"transfer-encoding", b"chunked"),
        (b"trailer", b"x"),
        (b"keep-alive", b"timeout=5"),
    )
    ended = {b"upgrade", b"http2-settings", b"connection", b"expect", b"content-length"}
    ended |= {b"transfer-encoding", b"trailer", b"keep-alive"}
    assert not {name for name, _ in fields} & ended
    opened = sent((b"sec-websocket-key", b"k"), (b"sec-websocket-version", b"13"), upgrade=True)
    assert first(opened, b"upgrade") == b"websocket"
    assert first(opened, b"connection") == b"upgrade"
    assert first(opened, b"sec-websocket-key") == b"k"


def test_cookies_that_http_2_split_are_one_again() -> None:
    assert values(sent((b"cookie", b"a=1"), (b"cookie", b"b=2")), b"cookie") == [b"a=1; b=2"]
    with_token = sent((b"cookie", b"a=1"), (b"cookie", b"t=" + TOKEN))
    assert values(with_token, b"cookie") == [b"a=1"]


# Answers


def answered(
    *fields: tuple[bytes, bytes],
    to: Function | None = None,
    asked: Headers = (),
    checked: bool = True,
    **caller: Any,
) -> Headers:
    """The fields that the caller gets for a function's answer with these fields."""
    shop = to or function()
    upstream = shop.live.project.upstreams[0]
    who, named = called(**caller), plan.ids(asked, FRESH).request_id
    return plan.answer_headers(asked, fields, named, who, shop, upstream, checked=checked)


def test_an_answer_returns_as_sent_without_the_fields_of_the_connection() -> None:
    fields: Headers = (
        (b"content-type", b"text/html"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"5"),
        (b"x-jelou-signature", b"s"),
        (b"server", b"x"),
    )
    got = answered(
        *fields, (b"connection", b"close, x-hop"), (b"x-hop", b"1"), (b"keep-alive", b"x")
    )
    assert got[: len(fields)] == fields
    assert not {name for name, _ in got} & {b"connection", b"x-hop", b"keep-alive"}


def test_an_answer_carries_the_request_id_and_no_claim_to_be_the_edges() -> None:
    got = answered((b"x-request-id", b"theirs"), (b"x-jelou-error-source", b"edge"))
    assert values(got, b"x-request-id") == [plan.ids((), FRESH).request_id]
    assert values(got, b"x-jelou-error-source") == []


@pytest.mark.parametrize(
    ("own", "cache", "vary"),
    [
        ((), [b"private"], [b"X-Jelou-Token"]),
        (((b"cache-control", b"public, max-age=60"),), [b"public, max-age=60"], [b"X-Jelou-Token"]),
        (((b"vary", b"Accept"),), [b"private"], [b"Accept", b"X-Jelou-Token"]),
    ],
)
def test_a_checked_answer_is_not_for_shared_caches(
    own: Headers, cache: list[bytes], vary: list[bytes]
) -> None:
    got = answered(*own)
    assert values(got, b"cache-control") == cache
    assert values(got, b"vary") == vary


def test_an_unchecked_answer_is_left_alone() -> None:
    got = answered((b"etag", b'"a"'), checked=False)
    assert values(got, b"cache-control") == []
    assert values(got, b"vary") == []


ORIGIN = ((b"origin", b"https://page.example"),)


def test_cors_is_added_unless_the_function_speaks_it_itself() -> None:
    got = answered(asked=ORIGIN)
    assert first(got, b"access-control-allow-origin") == b"*"
    assert b"X-Request-Id" in (first(got, b"access-control-expose-headers") or b"")
    own = answered((b"access-control-max-age", b"1"), asked=ORIGIN)
    assert [name for name, _ in own if name.startswith(b"access-control-")] == [
        b"access-control-max-age"
    ]
    assert not values(
        answered(asked=ORIGIN, to=function(cors=None)), b"access-control-allow-origin"
    )
    listed = function(cors=Cors(origins=("https://page.example",)))
    assert values(answered(asked=ORIGIN, to=listed), b"vary") == [b"Origin", b"X-Jelou-Token"]


BASED = Upstream("http", "127.0.0.1", 9000, base="/api")
TLS = Upstream("https", "fn.internal", 443)
CLEAR = Upstream("http", "fn.internal", 80)
SOCKET = Upstream("unix", socket="/run/a.sock")
HERE = b"http://shop.fn.localhost"
PATH: dict[str, Any] = {"prefix": b"/shop", "authority": b"edge:8080"}
LOCATIONS: list[tuple[Upstream, dict[str, Any], bytes, bytes]] = [
    # host form: what names the upstream is rewritten, nothing else
    (UPSTREAM, {}, b"http://127.0.0.1:9000/a?b#c", HERE + b"/a?b#c"),
    (UPSTREAM, {}, b"HTTP://127.0.0.1:9000/a", HERE + b"/a"),
    (UPSTREAM, {}, b"http://127.0.0.1:9000", HERE + b"/"),
    (UPSTREAM, {}, b"http://127.0.0.1:9000?b", HERE + b"/?b"),
    (UPSTREAM, {}, b"//127.0.0.1:9000/a", HERE + b"/a"),
    (UPSTREAM, {}, b"https://127.0.0.1:9000/a", HERE + b"/a"),
    (UPSTREAM, {}, b"/a", b"/a"),
    (UPSTREAM, {}, b"a/b", b"a/b"),
    (UPSTREAM, {}, b"?b", b"?b"),
    (UPSTREAM, {}, b"", b""),
    (UPSTREAM, {}, b"http://127.0.0.1:9001/a", b"http://127.0.0.1:9001/a"),
    (UPSTREAM, {}, b"http://127.0.0.1/a", b"http://127.0.0.1/a"),
    (UPSTREAM, {}, b"http://127.0.0.1:9000.evil.example/", b"http://127.0.0.1:9000.evil.example/"),
    (UPSTREAM, {}, b"http://u@127.0.0.1:9000/", b"http://u@127.0.0.1:9000/"),
    (UPSTREAM, {}, b"https://id.example/login?r=http://127.0.0.1:9000/",
     b"https://id.example/login?r=http://127.0.0.1:9000/"),
    (UPSTREAM, {}, b"mailto:a@b.example", b"mailto:a@b.example"),
    # the scheme says which port is meant, where none is written
    (TLS, {}, b"https://FN.internal/a", HERE + b"/a"),
    (TLS, {}, b"https://fn.internal:443/a", HERE + b"/a"),
    (TLS, {}, b"http://fn.internal/a", b"http://fn.internal/a"),
    (CLEAR, {}, b"http://fn.internal:80/a", HERE + b"/a"),
    (CLEAR, {}, b"https://fn.internal/a", b"https://fn.internal/a"),
    (SOCKET, {}, b"http://localhost/a", HERE + b"/a"),
    (SOCKET, {}, b"http://localhost:3000/a", b"http://localhost:3000/a"),
    # path form
    (UPSTREAM, PATH, b"http://127.0.0.1:9000/a", b"http://edge:8080/shop/a"),
    (UPSTREAM, PATH, b"/a?b", b"/shop/a?b"),
    (UPSTREAM, PATH, b"/", b"/shop/"),
    (UPSTREAM, PATH, b"a", b"a"),
    (UPSTREAM, PATH, b"//other.example/a", b"//other.example/a"),
    (UPSTREAM, PATH, b"http://edge:8080/a", b"http://edge:8080/a"),
    # a base path is the upstream's own
    (BASED, {}, b"http://127.0.0.1:9000/api/a", HERE + b"/a"),
    (BASED, {}, b"http://127.0.0.1:9000/api", HERE + b"/"),
    (BASED, {}, b"http://127.0.0.1:9000/apix", b"http://127.0.0.1:9000/apix"),
    (BASED, {}, b"/api/a", b"/a"),
    (BASED, {}, b"/api", b"/"),
    (BASED, {}, b"/api?b", b"/?b"),
    (BASED, {}, b"/api#b", b"/#b"),
    (BASED, {}, b"/apix", b"/apix"),
    (BASED, PATH, b"/api/a", b"/shop/a"),
    (BASED, PATH, b"/api?b", b"/shop/?b"),
    (BASED, PATH, b"/other", b"/other"),
]  # fmt: skip


@pytest.mark.parametrize("name", [b"location", b"content-location"])
@pytest.mark.parametrize(("upstream", "where", "value", "expected"), LOCATIONS)
def test_an_address_of_the_upstream_becomes_the_callers(
    upstream: Upstream, where: dict[str, Any], value: bytes, expected: bytes, name: bytes
) -> None:
    got = answered((name, value), to=function(upstream=upstream), **where)
    assert values(got, name) == [expected]


def test_a_rewritten_address_has_the_scheme_and_host_that_a_trusted_proxy_tells() -> None:
    who = called(
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"api.example"),
        peer=PROXY,
        networks=TRUSTED,
    )
    assert (
        plan.rewrite_location(b"http://127.0.0.1:9000/a", who, UPSTREAM) == b"https://api.example/a"
    )


COOKIES: list[tuple[Upstream, dict[str, Any], bytes, bytes]] = [
    (UPSTREAM, {}, b"a=1; Path=/; HttpOnly", b"a=1; Path=/; HttpOnly"),
    (UPSTREAM, {}, b"a=1; Domain=127.0.0.1", b"a=1; Domain=shop.fn.localhost"),
    (TLS, {}, b"a=1; domain=.FN.internal; Secure", b"a=1; domain=shop.fn.localhost; Secure"),
    (TLS, {}, b"a=1; Domain=other.example", b"a=1; Domain=other.example"),
    (TLS, {}, b"a=1; Domain=internal", b"a=1; Domain=internal"),
    (UPSTREAM, PATH, b"a=1; Path=/", b"a=1; Path=/shop/"),
    (UPSTREAM, PATH, b"a=1;path=/x;Max-Age=5", b"a=1;path=/shop/x;Max-Age=5"),
    (UPSTREAM, PATH, b"a=1", b"a=1"),
    (UPSTREAM, PATH, b"a=1; Path=", b"a=1; Path="),
    (UPSTREAM, PATH, b"a=path=/x; Path=/y", b"a=path=/x; Path=/shop/y"),
    (UPSTREAM, PATH, b"a=1; Domain=127.0.0.1; Path=/", b"a=1; Domain=edge; Path=/shop/"),
    (UPSTREAM, PATH, b"__Host-a=1; Path=/; Secure", b"__Host-a=1; Path=/; Secure"),
    (UPSTREAM, PATH, b"__host-a=1; Path=/; Secure", b"__host-a=1; Path=/; Secure"),
    (BASED, {}, b"a=1; Path=/api", b"a=1; Path=/"),
    (BASED, {}, b"a=1; Path=/api/x", b"a=1; Path=/x"),
    (BASED, {}, b"a=1; Path=/", b"a=1; Path=/"),
    (BASED, PATH, b"a=1; Path=/api/x", b"a=1; Path=/shop/x"),
    (BASED, PATH, b"a=1; Path=/", b"a=1; Path=/shop/"),
    (BASED, PATH, b"a=1; Path=/ap", b"a=1; Path=/ap"),
]


@pytest.mark.parametrize(("upstream", "where", "value", "expected"), COOKIES)
def test_a_cookie_of_the_upstream_becomes_the_callers(
    upstream: Upstream, where: dict[str, Any], value: bytes, expected: bytes
) -> None:
    got = answered((b"set-cookie", value), to=function(upstream=upstream), **where)
    assert values(got, b"set-cookie") == [expected]


def test_nothing_is_rewritten_where_the_project_says_so() -> None:
    fields = ((b"location", b"/a"), (b"set-cookie", b"a=1; Path=/"))
    left = answered(*fields, to=function(project={"rewrite": False}), **PATH)
    assert left[:2] == fields
