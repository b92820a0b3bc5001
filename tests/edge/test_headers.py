"""The rules about header fields: reserved names in every spelling, authorities, proxies."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import headers
from edge.message import Headers
from tests.support.asking import GOOD

RESERVED = [
    "X-Jelou-Token",
    "X-Jelou-Token-Id",
    "X-Jelou-Token-Name",
    "X-Jelou-Token-Whatever",
    "X-Jelou-Function",
    "X-Jelou-Deployment",
    "X-Jelou-Trigger",
    "X-Jelou-Cron",
    "X-Jelou-Cron-Name",
    "X-Jelou-Cron-Signature",
    "X-Jelou-Bot-Id",
    "X-Jelou-Mcp",
    "X-Jelou-Error-Source",
    "Forwarded",
    "X-Real-IP",
    "X-Request-Id",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Forwarded-Whatever",
]
OTHERS = [
    "X-Jelou-Signature",
    "X-Jelou-Functions",
    "X-Jelou-Botid",
    "X-Jelou",
    "Y-X-Jelou-Token",
    "X-Forward",
    "Authorization",
    "X-Api-Key",
    "Via",
]


@pytest.mark.parametrize("name", RESERVED)
def test_what_the_edge_says_itself_is_reserved(name: str) -> None:
    assert headers.is_reserved(name.lower().encode())


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_pass(name: str) -> None:
    assert not headers.is_reserved(name.lower().encode())


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(RESERVED),
    st.lists(st.sampled_from("-_.!~'*+^|`#$%&"), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=24, max_size=24),
)
def test_no_spelling_of_a_reserved_name_passes(
    name: str, marks: list[str], capitals: list[bool]
) -> None:
    spelt = name
    for mark in marks:
        spelt = spelt.replace("-", mark, 1) if mark != "-" else spelt
    spelt = "".join(
        c.upper() if capital else c.lower()
        for c, capital in zip(spelt, capitals + [False] * len(spelt), strict=False)
    )
    sent = ((spelt.encode(), b"1"), (b"accept", b"*/*"))
    assert headers.without_callers_claims(sent) == ((b"accept", b"*/*"),)


TOKEN = GOOD.encode()


@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        b"Bearer " + TOKEN,
        b"a=b; token=" + TOKEN + b"; c=d",
        b"x" + TOKEN + b"y",
        b"jfn_rt_" + TOKEN,
        TOKEN.replace(b"_", b"%5F"),
        TOKEN.replace(b"a", b"%61"),
        b"https://x.example/?t=" + TOKEN.replace(b"j", b"%6a"),
    ],
)
def test_a_field_whose_value_holds_a_token_goes(value: bytes) -> None:
    sent = ((b"authorization", value), (b"referer", value), (b"anything", value))
    assert headers.without_callers_claims(sent) == ()


@pytest.mark.parametrize(
    "value", [b"Bearer eyJ", b"jfn_rt_", TOKEN[:-1], TOKEN[:-1] + b"!", b"", b"100%", b"jfn_pat_x"]
)
def test_a_field_with_anything_else_stays(value: bytes) -> None:
    assert headers.without_callers_claims(((b"x", value),)) == ((b"x", value),)


def test_fields_of_one_connection_go_and_those_that_connection_names() -> None:
    sent: Headers = tuple(
        (name, b"1")
        for name in (
            b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
            b"proxy-connection", b"proxy-authorization", b"x-hop", b"x-other", b"x-stays",
        )
    )  # fmt: skip
    sent += ((b"connection", b"close, X-Hop"), (b"connection", b",x-other ,"))
    assert headers.end_to_end(sent) == ((b"x-stays", b"1"),)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"Example.COM", "example.com"),
        (b"example.com.", "example.com"),
        (b"example.com..", "example.com."),
        (b"example.com:8080", "example.com"),
        (b"example.com.:8080", "example.com"),
        (b"example.com:", "example.com"),
        (b"[::1]:80", "[::1]"),
        (b"[::1]", "[::1]"),
        (b"127.0.0.1:1", "127.0.0.1"),
    ],
)
def test_a_host_is_compared_in_lower_case_without_port_and_one_dot(
    authority: bytes, host: str
) -> None:
    assert headers.valid_authority(authority)
    assert headers.host_of(authority) == host


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("shop.fn.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_what_names_this_machine(host: str, loopback: bool) -> None:
    assert headers.is_loopback(host) is loopback


NETWORKS = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "said", "chain", "client"),
    [
        ("203.0.113.9", [b"6.6.6.6"], ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.1", [], ("10.0.0.1",), "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7"], ("198.51.100.7", "10.0.0.1"), "198.51.100.7"),
        ("10.0.0.1", [b"6.6.6.6, 5.5.5.5"], ("6.6.6.6", "5.5.5.5", "10.0.0.1"), "5.5.5.5"),
        ("10.0.0.1", [b"6.6.6.6", b"10.0.0.2"], ("6.6.6.6", "10.0.0.2", "10.0.0.1"), "6.6.6.6"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], ("10.0.0.3", "10.0.0.2", "10.0.0.1"), "10.0.0.3"),
        ("10.0.0.1", [b"junk"], ("junk", "10.0.0.1"), "10.0.0.1"),
        ("10.0.0.1", [b"unknown, 10.0.0.2"], ("unknown", "10.0.0.2", "10.0.0.1"), "10.0.0.2"),
        ("10.0.0.1", [b"6.6.6.6:567"], ("6.6.6.6:567", "10.0.0.1"), "6.6.6.6"),
        ("10.0.0.1", [b"6.6.6.6, 10.0.0.2:80"], ("6.6.6.6", "10.0.0.2:80", "10.0.0.1"), "6.6.6.6"),
        ("10.0.0.1", [b"[2001:db8::1]:9"], ("[2001:db8::1]:9", "10.0.0.1"), "2001:db8::1"),
        ("10.0.0.1", [b"::ffff:6.6.6.6"], ("::ffff:6.6.6.6", "10.0.0.1"), "6.6.6.6"),
        ("::ffff:10.0.0.1", [b"6.6.6.6"], ("6.6.6.6", "::ffff:10.0.0.1"), "6.6.6.6"),
        ("10.0.0.1", [TOKEN + b", 6.6.6.6"], ("6.6.6.6", "10.0.0.1"), "6.6.6.6"),
        ("::1", [b"2001:db8::1"], ("2001:db8::1", "::1"), "2001:db8::1"),
        ("", [b"6.6.6.6"], (), ""),
    ],
)  # fmt: skip
def test_only_trusted_proxies_are_believed_about_addresses(
    peer: str, said: list[bytes], chain: tuple[str, ...], client: str
) -> None:
    sent = tuple((b"x-forwarded-for", value) for value in said)
    assert headers.forwarded_for(sent, peer, NETWORKS) == chain
    assert headers.client_of(chain, NETWORKS) == client


def test_by_default_no_peer_is_trusted_not_even_loopback() -> None:
    sent = ((b"x-forwarded-for", b"6.6.6.6"),)
    assert headers.forwarded_for(sent, "127.0.0.1", ()) == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("said", "proto", "host"),
    [
        ([b"https"], b"https", None),
        ([b"HTTPS"], b"HTTPS", b"HTTPS"),
        ([b"https", b"http"], None, None),
        ([b"https, http"], None, None),
        ([b"ftp"], None, b"ftp"),
        ([b"a.example:8443"], None, b"a.example:8443"),
        ([b"a.example, b.example"], None, None),
        ([b"a.example/x"], None, None),
        ([TOKEN], None, None),
        ([b""], None, None),
        ([], None, None),
    ],
)
def test_a_proxys_word_counts_if_it_is_one_and_valid(
    said: list[bytes], proto: bytes | None, host: bytes | None
) -> None:
    as_proto = tuple((b"x-forwarded-proto", value) for value in said)
    as_host = tuple((b"x-forwarded-host", value) for value in said)
    assert headers.proxied_proto(as_proto) == proto
    if host is not None or proto is None:
        assert headers.proxied_host(as_host) == host


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([b"abc-DEF_1.2"], True),
        ([b"a" * 128], True),
        ([b"a" * 129], False),
        ([b""], False),
        ([b"a b"], False),
        ([b"a\n"], False),
        ([b"a", b"a"], False),
        ([b"a/b"], False),
        ([TOKEN], False),
    ],
)
def test_a_request_id_is_the_callers_only_if_it_is_well_formed(
    sent: list[bytes], kept: bool
) -> None:
    found = headers.request_id(tuple((b"x-request-id", value) for value in sent))
    assert found == (sent[0] if kept else None)


TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ([TRACE], True),
        ([TRACE.replace(b"00-", b"01-", 1)], True),
        ([TRACE.replace(b"00-", b"ff-", 1)], False),
        ([b"00-" + b"0" * 32 + TRACE[35:]], False),
        ([TRACE[:36] + b"0" * 16 + b"-01"], False),
        ([TRACE.upper()], False),
        ([TRACE + b"-x"], False),
        ([TRACE, TRACE], False),
        ([b""], False),
    ],
)
def test_a_trace_is_continued_only_if_it_is_valid(sent: list[bytes], kept: bool) -> None:
    found = headers.traceparent(tuple((b"traceparent", value) for value in sent))
    assert found == (sent[0] if kept else None)


BEHIND = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("chain", "source"),
    [
        ((), ""),
        (("203.0.113.7",), "203.0.113.7"),
        (("::ffff:203.0.113.7",), "203.0.113.7"),
        (("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::",), "2001:db8:1:2::/64"),
        (("198.51.100.1", "203.0.113.7", "10.0.0.1"), "203.0.113.7"),
        (("203.0.113.7:4711", "10.0.0.1"), "203.0.113.7"),
        (("[2001:db8::1]:4711", "10.0.0.1"), "2001:db8::/64"),
        (("unknown", "10.0.0.1"), "10.0.0.1"),
        (("x" * 9000, "10.0.0.2", "10.0.0.1"), "10.0.0.2"),
    ],
)
def test_a_request_is_laid_to_an_address_or_to_the_network_of_one_subscriber(
    chain: tuple[str, ...], source: str
) -> None:
    assert headers.source_of(chain, BEHIND) == source
