"""What changes on the way to a function that is an MCP server, and what its answers mean."""

import os
from typing import Any

import orjson
import pytest

from mcp_bridge import passthrough
from mcp_bridge.admission import Rejection
from mcp_bridge.session import MAX_AGE, SessionKey
from mcp_bridge.upstream_session import (
    UpstreamSession,
    new_session,
    opening_of,
    seal_session,
    unseal_session,
)

KEYS = [SessionKey("k1", b"1" * 32)]
NOW = 1_800_000_000.0
OPENING: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}, "sampling": {}},
    "clientInfo": {"name": "a client", "version": "1.2.3"},
}


def sealed(
    upstream_id: str = "the-functions-own", opening: dict[str, Any] | None = OPENING
) -> str | None:
    """An id of a session, as it is minted."""
    session = new_session(upstream_id, opening, NOW, os.urandom)
    return seal_session(session, "shop", "tok_1", KEYS, os.urandom)


def unsealed(text: str, **how: Any) -> UpstreamSession | None:
    """What an id holds for its own function and token, unless told otherwise."""
    told = {"function": "shop", "lineage": "tok_1", "now": NOW + 10, **how}
    return unseal_session(text, KEYS, **told)


@pytest.mark.parametrize("name", ["Origin", "mcp-session-id", "Mcp_Session_Id", "mcp.session.id"])
def test_fields_that_are_the_edges_to_say_go_on_in_no_spelling(name: str) -> None:
    sent = ((name.lower().encode(), b"a"), (b"accept", b"b"))
    assert passthrough.request_fields(sent, None) == ((b"accept", b"b"),)
    assert passthrough.request_fields(sent, "own") == (
        (b"accept", b"b"),
        (b"mcp-session-id", b"own"),
    )


def test_everything_that_mcp_says_in_fields_goes_on() -> None:
    sent = tuple(
        (name, b"x")
        for name in (
            b"mcp-protocol-version",
            b"mcp-method",
            b"mcp-name",
            b"mcp-param-region",
            b"last-event-id",
            b"accept",
            b"authorization",
        )
    )
    assert passthrough.request_fields(sent, None) == sent


def test_the_functions_own_session_id_never_reaches_the_client() -> None:
    answered = ((b"mcp-session-id", b"own"), (b"content-type", b"a/b"))
    assert passthrough.answer_fields(answered, None) == ((b"content-type", b"a/b"),)
    assert passthrough.answer_fields(answered, "v1.a.b")[-1] == (b"mcp-session-id", b"v1.a.b")


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("/mcp", b"/mcp", b"/mcp"),
        ("/v1/mcp", b"/mcp?a=1&b", b"/v1/mcp?a=1&b"),
        ("/mcp?key=1", b"/mcp", b"/mcp?key=1"),
        ("/mcp?key=1", b"/mcp?a=1", b"/mcp?key=1&a=1"),
    ],
)
def test_the_query_goes_on_to_the_functions_own_path(
    path: str, asked: bytes, expected: bytes
) -> None:
    assert passthrough.target(path, asked) == expected


def test_the_stateless_revision_names_no_session() -> None:
    named = ((b"mcp-session-id", b"a"),)
    assert passthrough.named_session(named) == "a"
    assert passthrough.named_session((*named, (b"mcp-protocol-version", b"2025-11-25"))) == "a"
    assert passthrough.named_session((*named, (b"mcp-protocol-version", b"2026-07-28"))) is None


@pytest.mark.parametrize("name", [b"mcp-session-id", b"mcp-protocol-version"])
def test_two_session_ids_or_revisions_are_refused(name: bytes) -> None:
    with pytest.raises(Rejection) as refused:
        passthrough.named_session(((name, b"a"), (name, b"b")))
    assert refused.value.status == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "get"])
def test_methods_that_mcp_never_uses_are_refused(method: str) -> None:
    with pytest.raises(Rejection) as refused:
        passthrough.check_method(method)
    assert (refused.value.status, refused.value.headers) == (
        405,
        ((b"allow", b"GET, POST, DELETE"),),
    )


def _error(code: int, message: str) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}})


@pytest.mark.parametrize(
    ("status", "body", "dead"),
    [
        (404, _error(-32001, "Session not found"), True),
        (404, b"Not Found", True),
        (404, b"", True),
        (404, _error(-32601, "Method not found"), False),
        (400, _error(-32000, "Bad Request: No valid session ID provided"), True),
        (400, _error(-32000, "Bad Request: Server not initialized"), True),
        (400, _error(-32602, "session"), False),
        (400, b"session", False),
        (200, _error(-32001, "Session not found"), False),
        (500, _error(-32000, "session"), False),
    ],
)
def test_an_answer_says_whether_the_session_is_dead(status: int, body: bytes, dead: bool) -> None:
    assert passthrough.is_session_dead(status, body) is dead


def test_an_id_holds_the_session_and_how_it_was_opened() -> None:
    text = sealed()
    assert text is not None
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1024
    assert "the-functions-own" not in text
    session = unsealed(text)
    assert session is not None
    assert (session.home, session.opening) == ("the-functions-own", OPENING)
    assert "the-functions-own" not in repr(session)


@pytest.mark.parametrize(
    "how",
    [
        {"function": "other"},
        {"lineage": "tok_2"},
        {"lineage": ""},
        {"now": NOW + MAX_AGE},
        {"now": NOW - 120},
    ],
)
def test_an_id_is_good_for_its_function_token_and_age_alone(how: dict[str, Any]) -> None:
    text = sealed()
    assert text is not None
    assert unsealed(text, **how) is None


def test_an_altered_id_is_none() -> None:
    text = sealed()
    assert text is not None
    for at in range(0, len(text), 7):
        other = "A" if text[at] != "A" else "B"
        assert unsealed(text[:at] + other + text[at + 1 :]) is None
    assert unsealed(text[:-1]) is None
    assert unsealed("") is None
    assert unsealed("the-functions-own") is None


def test_an_opening_that_is_too_long_is_shortened_or_left_out() -> None:
    long = {
        **OPENING,
        "clientInfo": {"name": "n", "version": "1", "description": os.urandom(900).hex()},
    }
    text = sealed(opening=long)
    session = unsealed(text or "")
    assert session is not None
    assert session.opening == {**OPENING, "clientInfo": {"name": "n", "version": "1"}}
    text = sealed(opening={**OPENING, "capabilities": {"x": os.urandom(900).hex()}})
    session = unsealed(text or "")
    assert session is not None
    assert session.opening is None


@pytest.mark.parametrize(
    "own", ["", "with space", "ü", "new\nline", "x" * 2000, os.urandom(600).hex()]
)
def test_a_session_id_that_is_none_or_too_long_is_not_sealed(own: str) -> None:
    assert sealed(own) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"method":"ping","id":1}', b'{"method":"initialize","params":{}}']
)
def test_other_messages_open_nothing(body: bytes) -> None:
    assert opening_of(body) is None


def test_an_opening_is_the_params_without_what_names_the_request() -> None:
    params = {**OPENING, "_meta": {"progressToken": 1}}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    assert opening_of(orjson.dumps(message)) == OPENING
