"""The CORS protocol as the edge answers it: preflights, and fields on every other answer."""

import pytest

from edge import cors
from edge.functions import Cors
from edge.message import Headers
from tests.support.asking import head

PAGE = b"https://page.example"
ORIGIN: Headers = ((b"origin", PAGE),)
LISTED = Cors(origins=("https://page.example", "http://localhost:3000"))


def asked(*fields: tuple[bytes, bytes], method: str = "OPTIONS") -> bool:
    return cors.is_preflight(head(method, b"/", *fields))


def test_a_preflight_is_options_with_an_origin_and_a_method() -> None:
    wanted = (b"access-control-request-method", b"PUT")
    assert asked(*ORIGIN, wanted)
    assert not asked(*ORIGIN)
    assert not asked(wanted)
    assert not asked(*ORIGIN, wanted, method="GET")
    assert not asked(*ORIGIN, wanted, method="options")


def test_by_default_every_origin_may_send_every_method_and_field_without_credentials() -> None:
    sent = (*ORIGIN, (b"access-control-request-headers", b"X-Jelou-Token,content-type"))
    assert dict(cors.preflight(Cors(), sent)) == {
        b"vary": b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        b"access-control-allow-origin": b"*",
        b"access-control-allow-methods": cors.EVERY_METHOD,
        b"access-control-allow-headers": b"X-Jelou-Token,content-type",
        b"access-control-max-age": b"86400",
    }


@pytest.mark.parametrize("wanted", [b"", b"a b", b"a,,b", b"a\x01", b"a: b", b"(a)"])
def test_what_is_no_list_of_field_names_is_not_repeated(wanted: bytes) -> None:
    sent = (*ORIGIN, (b"access-control-request-headers", wanted))
    assert b"access-control-allow-headers" not in dict(cors.preflight(Cors(), sent))


def test_the_token_is_among_the_fields_that_a_project_lists() -> None:
    fields = dict(cors.preflight(Cors(headers=("X-One",), methods=("GET", "PUT")), ORIGIN))
    assert fields[b"access-control-allow-headers"] == b"X-One, X-Jelou-Token"
    assert fields[b"access-control-allow-methods"] == b"GET, PUT"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (PAGE, True),
        (b"http://localhost:3000", True),
        (b"http://page.example", False),
        (b"https://page.example:444", False),
        (b"https://page.example.evil.example", False),
        (b"null", False),
        (b"\xff", False),
    ],
)
def test_an_origin_that_is_not_listed_gets_no_cors_fields(origin: bytes, allowed: bool) -> None:
    sent = ((b"origin", origin),)
    for fields in (dict(cors.preflight(LISTED, sent)), dict(cors.answer(LISTED, sent))):
        assert b"origin" in fields[b"vary"].lower()
        if allowed:
            assert fields[b"access-control-allow-origin"] == origin
        else:
            assert set(fields) == {b"vary"}


def test_answers_expose_what_callers_need() -> None:
    fields = dict(cors.answer(Cors(), ORIGIN))
    assert fields[b"access-control-allow-origin"] == b"*"
    assert fields[b"access-control-expose-headers"] == (
        b"X-Request-Id, Retry-After, WWW-Authenticate, Mcp-Session-Id, RateLimit, RateLimit-Policy"
    )
    assert b"vary" not in fields


def test_credentials_are_allowed_only_where_the_project_says_so() -> None:
    with_credentials = Cors(origins=("https://page.example",), credentials=True)
    for fields in (
        dict(cors.answer(with_credentials, ORIGIN)),
        dict(cors.preflight(with_credentials, ORIGIN)),
    ):
        assert fields[b"access-control-allow-credentials"] == b"true"
        assert fields[b"access-control-allow-origin"] == PAGE


def test_a_function_without_cors_gets_none() -> None:
    assert cors.answer(None, ORIGIN) == ()
