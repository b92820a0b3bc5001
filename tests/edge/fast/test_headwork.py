"""The fast lane writes the heads that `edge.forwarding.plan` gives, field for field."""

from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import headers as rules
from edge.fast import headwork, plain
from edge.fast.headwork import AnswerHead, Asking, Lasting
from edge.forwarding import parse, plan
from edge.functions import Cors, Function, Upstream
from edge.gate.decide import decide_sound
from edge.gate.decisions import Forward, GateSettings
from edge.headers import Networks
from edge.message import Head, Headers, Ids, Peer, first
from edge.server.heads import BadHead, parse_head
from tests.support.asking import GOOD, MADE_UP, NOW, UNKNOWN, Known, function
from tokens.secret import contains_token

EDGE_ID = "e1"
FRESH = bytes(range(40))
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
TRUSTED: Networks = (ip_network("10.0.0.0/8"),)
PROXY = Peer("10.0.0.1", "http")
SOCKET = Peer("", "http")
WIDE = GateSettings(request_line=1 << 20, header_block=1 << 20, header_fields=1000)
TRACE = b"00-384d9319530682b55651605272ed354f-2d9869f9551f9627-00"
TOKEN = GOOD.encode()
ENCODED = "".join(f"%{ord(c):02x}" for c in GOOD).encode()
TWICE = quote(ENCODED).encode()
PARTLY = TOKEN.replace(b"_", b"%5F")

NAMES = (
    *(b"X-Jelou-Token-Id", b"X-Jelou-Function", b"X-Jelou-Deployment", b"X-Jelou-Trigger"),
    *(b"X-Jelou-Token-Name", b"X-Jelou-Mcp", b"X-Jelou-Cron-Run", b"X-Jelou-Bot-Id"),
    *(b"X-Jelou-Error-Source", b"X-Jelou-Signature", b"X-Jelou-Tokens", b"Forwarded"),
    *(b"X-Real-IP", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host"),
    *(b"X-Forwarded-Prefix", b"X-Forwarded-Port", b"Via", b"Keep-Alive", b"Trailer", b"Close"),
    *(b"Proxy-Authenticate", b"Proxy-Authorization", b"Content-Type", b"Authorization"),
    *(b"X-Api-Key", b"Origin", b"Accept", b"Referer", b"X-Own", b"X-A", b"Hosts", b"Range"),
)
VALUES = (
    *(TOKEN, ENCODED, TWICE, PARTLY, b"Bearer " + TOKEN, b"a, " + TOKEN + b";q=1", b"x" + TOKEN),
    *(TOKEN[:-1], TOKEN[:-1] + b"_", MADE_UP.encode()[:-1] + b"!", b"%6a", b"100%", b"jfn_rt_"),
    *(b"", b"a", b"a, b", b"\xe4\xff", b"https://a.example", b"https", b"10.0.0.7, 198.51.100.1"),
    *(b"a.example:8443", b"1.1 other", b"text/plain", b"a\tb", b"the caller's"),
)
ANY_NAME = st.text("abcxyzABC019!#$&'*+-.^_`|~", min_size=1, max_size=70).map(str.encode)
IDS = (b"1", b"a" * 128, b"a" * 129, b"a b", b"", TOKEN, b"a%62")
TRACES = (TRACE, TRACE.upper(), b"ff" + TRACE[2:], b"00-x", TRACE + b"0", b"")
OWN_HEADERS = (
    (),
    (("X-Own", "the function's"), ("Authorization", "Bearer own"), ("tracestate", "o=1")),
)
UPSTREAMS = (
    Upstream("http", "127.0.0.1", 9000),
    Upstream("http", "up.example", 80, base="/base"),
    Upstream("https", "::1", 8443),
    Upstream("unix", socket="/run/f.sock"),
)
CORS = (
    None,
    Cors(),
    Cors(origins=("https://a.example",), credentials=True),
    Cors(origins=("https://b.example", "https://c.example")),
)


@st.composite
def spelt(draw: st.DrawFn, name: bytes) -> bytes:
    """A name in a spelling that some servers take for the same."""
    separators = st.sampled_from([b"-", b"-", b"_", b".", b"~"])
    change = st.sampled_from(["lower", "upper", "title", "strip"])
    pieces = [getattr(piece, draw(change))() for piece in name.split(b"-")]
    return b"".join([pieces[0], *(draw(separators) + piece for piece in pieces[1:])])


def line_of(names: st.SearchStrategy[bytes], values: st.SearchStrategy[bytes]) -> Any:
    return st.builds(lambda name, value: name + b": " + value, names, values)


A_VALUE = st.sampled_from(VALUES)
LINES = st.one_of(
    line_of(st.sampled_from(NAMES).flatmap(spelt), A_VALUE),
    line_of(ANY_NAME, A_VALUE),
    line_of(st.sampled_from([b"Cookie", b"cookie", b"COOKIE"]), A_VALUE),
    line_of(st.sampled_from([b"tracestate", b"TraceState"]), A_VALUE),
    line_of(st.just(b"traceparent"), st.sampled_from(TRACES)),
    line_of(st.sampled_from([b"X-Request-Id", b"x_request_id"]), st.sampled_from(IDS)),
    line_of(st.just(b"Connection"), st.sampled_from([b"close", b"keep-alive", b"Close"])),
)
FRAMINGS = st.sampled_from(
    [(), (), (b"Content-Length: 0",), (b"Content-Length: 12",), (b"Transfer-Encoding: Chunked",)]
)
FUNCTIONS = st.builds(
    lambda own, upstream, cors, preserve, rewrite: function(
        public=True,
        cors=cors,
        upstream=upstream,
        methods=("GET", "POST", "OPTIONS", "PUT", "BREW"),
        project={"headers": own, "preserve_host": preserve, "rewrite": rewrite},
    ),
    st.sampled_from(OWN_HEADERS),
    st.sampled_from(UPSTREAMS),
    st.sampled_from(CORS),
    st.booleans(),
    st.booleans(),
)


@dataclass(frozen=True)
class Asked:
    """A request that the fast lane takes and the gate lets in."""

    head: Head
    decision: Forward
    length: int | None
    networks: Networks

    @property
    def ids(self) -> Ids:
        return plan.ids(self.head.headers, FRESH)

    @property
    def caller(self) -> plan.Caller:
        place = self.decision.place
        return plan.caller(self.head, place.authority, place.prefix, self.networks)

    def lasting(self, upstream: Upstream) -> Lasting:
        """What is made ready for this request alone."""
        function, principal = self.decision.place.function, self.decision.principal
        return headwork.lasting(self.caller, function, principal, upstream, "http", EDGE_ID)

    def is_served_by(self, alike: Lasting, upstream: Upstream) -> bool:
        """Whether what was made ready for another request serves this one."""
        place, who = self.decision.place, alike.who
        same = (who.authority, who.prefix) == (place.authority, place.prefix)
        return same and alike.fits(place.function.live, self.decision.principal, upstream)


def let_in(block: bytes, peer: Peer, networks: Networks, asked_for: Function) -> Asked | None:
    try:
        head = parse_head(block, peer, WIDE)
    except BadHead:
        return None
    framing = plain.framing(head)
    decision = decide_sound(Known((asked_for,)), head, NOW, WIDE)
    if framing is None or head.websocket or not isinstance(decision, Forward):
        return None
    return Asked(head, decision, framing[0], networks)


@dataclass(frozen=True)
class Exchange:
    """Two requests of one caller to one function."""

    to: Function
    first: Asked
    second: Asked

    @property
    def upstream(self) -> Upstream:
        return self.to.live.project.upstreams[0]

    def lasting(self) -> Lasting:
        """What the second request finds: what was made for the first, where it may."""
        for asked in (self.first, self.second):
            made = asked.lasting(self.upstream)
            trusted = rules.is_trusted(asked.head.peer.address, asked.networks)
            if self.second.is_served_by(made, self.upstream) and not trusted:
                return made
        return self.second.lasting(self.upstream)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    peer, networks = draw(
        st.sampled_from([(UNKNOWN, ()), (UNKNOWN, TRUSTED), (PROXY, TRUSTED), (SOCKET, TRUSTED)])
    )
    to = draw(FUNCTIONS)
    places = [(b"/a/b?c=%6a", b"shop.fn.localhost"), (b"/shop/a?q", b"localhost:8080")]
    usual = draw(st.sampled_from(places))
    asked = []
    for _ in range(2):
        target, host = draw(st.sampled_from([usual, usual, *places]))
        method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"BREW"]))
        start = [b"%b %b HTTP/1.1" % (method, target), b"Host: " + host]
        known = draw(st.sampled_from([[], [b"X-Jelou-Token: " + TOKEN]]))
        fields = draw(
            st.permutations([*known, *draw(FRAMINGS), *draw(st.lists(LINES, max_size=8))])
        )
        block = b"\r\n".join([*start, *fields])
        let = let_in(block, peer, networks, to)
        asked.append(let or let_in(b"\r\n".join(start), peer, networks, to))
    earlier, later = asked
    assert earlier is not None
    assert later is not None
    return Exchange(to, earlier, later)


def written_request(of: Exchange) -> bytes:
    """What the fast lane writes for the second request, after the first."""
    asked, alike = of.second, of.lasting()
    ids = plan.ids(asked.head.headers, FRESH)
    headwork.kept_lines(alike, of.first.head.headers, plan.ids(of.first.head.headers, FRESH))
    kept = headwork.kept_lines(alike, asked.head.headers, ids)
    method = asked.head.method.encode()
    framing = parse.framing_line(method, asked.length, bodiless=asked.length == 0)
    line = b"%b %b HTTP/1.1" % (method, asked.decision.place.target)
    return headwork.request_head(alike, line, kept, ids, framing)


def planned_request(of: Exchange) -> Headers:
    asked = of.second
    return plan.request_headers(
        asked.head.headers,
        asked.ids,
        asked.caller,
        of.to,
        of.upstream,
        asked.decision.principal,
        "http",
        EDGE_ID,
    )


@settings(max_examples=500, deadline=None)
@given(of=exchanges())
def test_a_function_gets_the_fields_that_are_planned_and_no_others(of: Exchange) -> None:
    written = written_request(of)
    assert written.endswith(b"\r\n\r\n")
    assert written.count(b"\r\n\r\n") == 1
    read = parse_head(written[:-4], UNKNOWN, WIDE)
    planned = planned_request(of)
    line, _, raw = parse.serialise(
        of.second.head.method.encode(),
        of.second.decision.place.target,
        planned,
        of.second.length,
        bodiless=of.second.length == 0,
    ).partition(b"\r\n")
    assert written.startswith(line + b"\r\n")
    assert Counter(read.headers) == Counter(
        parse_head(line + b"\r\n" + raw[:-4], UNKNOWN, WIDE).headers
    )


@settings(max_examples=300, deadline=None)
@given(of=exchanges())
def test_no_token_and_no_claim_of_the_callers_reaches_a_function(of: Exchange) -> None:
    read = parse_head(written_request(of)[:-4], UNKNOWN, WIDE)
    asked = of.second
    ours = plan.lasting_fields(
        asked.caller, of.to, of.upstream, asked.decision.principal, "http", EDGE_ID
    )
    named = {(name.lower(), value) for name, value in ours} | {
        (b"x-request-id", asked.ids.request_id)
    }
    for name, value in read.headers:
        assert not contains_token(value)
        assert name not in rules.HOP_BY_HOP or name == b"transfer-encoding"
        assert not rules.is_reserved(name) or (name, value) in named


def test_more_names_than_are_remembered_are_still_judged_one_by_one() -> None:
    to = function(public=True)
    start = b"GET / HTTP/1.1\r\nHost: shop.fn.localhost"
    names = [b"X-%d" % number for number in range(3 * headwork.MOST_NAMES)]
    block = start + b"".join(b"\r\n%b: 1\r\nX_Jelou_Cron_%b: 1" % (n, n) for n in names)
    asked = let_in(block, UNKNOWN, (), to)
    assert asked is not None
    of = Exchange(to, asked, asked)
    read = parse_head(written_request(of)[:-4], UNKNOWN, WIDE)
    assert {name for name, value in read.headers if value == b"1"} == {n.lower() for n in names}
    assert len(of.lasting().known) <= headwork.MOST_NAMES


ANSWER_NAMES = (
    *(b"X-Request-Id", b"X-Jelou-Error-Source", b"X-Jelou-Function", b"Vary", b"ETag", b"Close"),
    *(b"Keep-Alive", b"Upgrade", b"Trailer", b"Proxy-Authenticate", b"Server", b"Date", b"Via"),
    *(b"Cache-Control", b"Access-Control-Allow-Origin", b"Access-Control-X", b"Content-Type"),
    *(b"WWW-Authenticate", b"Location", b"Content-Location", b"Set-Cookie", b"X-A", b"Te"),
)
LOCATIONS = (
    *(b"/", b"/x", b"//up.example/x", b"x", b"?a", b"", b"/base", b"/base/x?y#z", b"/baseless"),
    *(b"http://127.0.0.1:9000/x", b"https://127.0.0.1:9000", b"http://up.example/base/y"),
    *(b"HTTP://UP.example:80/base", b"https://[::1]:8443/", b"http://localhost/x", b"mailto:a@b"),
)
COOKIES = (
    *(b"a=b", b"a=b; Path=/", b"a=b;path=/base/x; Domain=up.example", b"a=b; Domain=.127.0.0.1"),
    *(b"__Host-a=b; Path=/", b"a=b; PATH = /base ; Secure", b"a=b; Path=x; domain=other.example"),
)
OPTIONS = (
    *(b"close", b"keep-alive", b"Keep-Alive", b"Close", b"", b"x-a", b"x-a, close", b"date"),
    *(b"cache-control", b"set-cookie,location", b"content-type", b"content-length", b"vary"),
    *(b"access-control-allow-origin", b"keep-alive, close", b"x-request-id", b"connection"),
)
KINDS = (b"text/event-stream", b"Text/Event-Stream ; charset=utf-8", b"text/event-streams", b"a/b")
ANSWER_LINES = st.one_of(
    line_of(st.sampled_from(ANSWER_NAMES), A_VALUE),
    line_of(
        st.sampled_from([b"Location", b"location", b"Content-Location"]), st.sampled_from(LOCATIONS)
    ),
    line_of(st.just(b"Set-Cookie"), st.sampled_from(COOKIES)),
    line_of(st.just(b"Connection"), st.sampled_from(OPTIONS)),
    line_of(st.sampled_from([b"Content-Type", b"content-type"]), st.sampled_from(KINDS)),
    line_of(st.just(b"Cache-Control"), st.sampled_from([b"no-store", b"public", b""])),
    line_of(st.just(b"Date"), st.sampled_from([DATE, b"yesterday"])),
)
ENDS = (b"Content-Length: 0", b"Content-Length: 7", b"Transfer-Encoding: chunked", b"X-A: b")
STATUS = st.sampled_from(
    [b"200 OK", b"200", b"204 ", b"304 Not", b"404 \xe4\t!", b"599 ", b"301 x"]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    lines = [*draw(st.lists(ANSWER_LINES, max_size=8)), draw(st.sampled_from(ENDS))]
    start = draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 "])) + draw(STATUS)
    return b"\r\n".join([start, *draw(st.permutations(lines))])


def written_answer(
    of: Exchange, answered: parse.ResponseHead, frame: parse.Frame, *, checked: bool
) -> AnswerHead:
    head = of.second.head
    asking = Asking(of.lasting(), head.headers, head.method, checked)
    return headwork.answer_head(asking, answered, frame, DATE)


def framed(fields: Headers, status: int, method: str, frame: parse.Frame) -> Headers:
    """The fields with what says where the body ends (RFC 9112 §6.3) and when it was made."""
    bodiless = method == "HEAD" and status not in (204, 304)
    if first(fields, b"content-length") is None and (frame.framing != "none" or bodiless):
        fields += ((b"transfer-encoding", b"chunked"),)
    return fields if first(fields, b"date") is not None else (*fields, (b"date", DATE))


@pytest.mark.slow
@settings(max_examples=800, deadline=None)
@given(of=exchanges(), raw=answers(), checked=st.booleans())
def test_a_caller_gets_the_fields_that_are_planned_and_no_others(
    of: Exchange, raw: bytes, checked: bool
) -> None:
    asked = of.second
    try:
        answered = parse.parse_head(raw)
        frame = parse.frame(answered, asked.head.method.encode())
    except parse.InvalidAnswer:
        return
    made = written_answer(of, answered, frame, checked=checked)
    assert b"\r\n\r\n" not in made.block
    read = parse.parse_head(made.block)
    assert (read.status, read.version) == (answered.status, "1.1")
    assert answered.reason in (b"", read.reason)
    planned = plan.answer_headers(
        asked.head.headers,
        answered.headers,
        asked.ids.request_id,
        asked.caller,
        of.to,
        of.upstream,
        checked=checked,
    )
    planned = tuple(pair for pair in planned if pair[0] != b"x-request-id")
    expected = framed(planned, answered.status, asked.head.method, frame)
    assert Counter(read.headers) == Counter(expected)
    ends = parse.frame(read, asked.head.method.encode())
    assert ends.framing == ("chunked" if made.chunked else frame.framing)
    assert ends.length == (0 if made.chunked else frame.length)


@pytest.mark.parametrize(
    ("kind", "event_stream"),
    [
        (b"text/event-stream", True),
        (b"TEXT/Event-Stream", True),
        (b"text/event-stream;charset=utf-8", True),
        (b"text/event-stream ; a=b", True),
        (b"text/event-streams", False),
        (b"application/json; a=text/event-stream", False),
        (b"", False),
    ],
)
def test_an_event_stream_is_known_in_any_spelling(kind: bytes, event_stream: bool) -> None:
    to = function(public=True)
    asked = let_in(b"GET / HTTP/1.1\r\nHost: shop.fn.localhost", UNKNOWN, (), to)
    assert asked is not None
    answered = parse.ResponseHead(200, b"OK", ((b"content-type", kind),), "1.1")
    frame = parse.Frame("close", 0, False)
    made = written_answer(Exchange(to, asked, asked), answered, frame, checked=False)
    assert made.event_stream is event_stream
    assert made.chunked
    undated = headwork.answer_head(
        Asking(Exchange(to, asked, asked).lasting(), (), "GET", False), answered, frame, None
    )
    assert made._replace(block=made.block.replace(b"\r\ndate: " + DATE, b"")) == undated
