"""Opening handshakes that lead to no tunnel: plain HTTP, and the connection says that it ends."""

import pytest

from tests.edge.lanes.cases_requests import CHUNKED, TOKEN, ask, chunked
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Act, Answered, Case, Pairs, token
from tests.support.lanes_expected import bad_request, refused, relayed, unauthorized

_UPGRADE: Pairs = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
_VERSION = ("Sec-WebSocket-Version", "13")
_KEY = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
_OPENING: Pairs = (*_UPGRADE, _VERSION, _KEY)
_NOT_ONE = refused(400, "bad_request", (("sec-websocket-version", "13"),), closes=True)
_FORBIDDEN = Act((b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",))


def _opening(
    name: str, answer: Answered, target: str = "/ws", fields: Pairs = _OPENING, **more: object
) -> Case:
    return Case(
        name=name,
        sent=ask(target, fields=fields, **more),  # type: ignore[arg-type]
        answers=(answer,),
        after="gone",
        lane="either",
    )


def _with_body(name: str, field: tuple[str, str], body: bytes = b"", **more: object) -> Case:
    case = _opening(name, bad_request(), fields=(*_OPENING, field), **more)
    return _followed(case, body)


def _followed(case: Case, behind: bytes) -> Case:
    [sent] = case.pieces
    return Case(
        name=case.name, sent=sent + behind, answers=case.answers, after="gone", lane="either"
    )


REFUSED = [
    _opening("401", unauthorized(closes=True), tokens=()),
    _opening("401, sent twice", unauthorized(closes=True), tokens=(TOKEN, TOKEN)),
    _opening(
        "403",
        refused(403, "forbidden", closes=True),
        tokens=(("X-Jelou-Token", token("orders")),),
    ),
    _opening("404", refused(404, "not_found", closes=True), host="nowhere.fn.localhost"),
    _opening(
        "405", refused(405, "method_not_allowed", (("allow", "POST, DELETE"),), closes=True), "/mcp"
    ),
    _opening("no key", _NOT_ONE, fields=(*_UPGRADE, _VERSION)),
    _opening("no version", _NOT_ONE, fields=(*_UPGRADE, _KEY)),
    _with_body("a length", ("Content-Length", "5")),
    _with_body("a length and a body", ("Content-Length", "5"), b"hello"),
    _with_body("chunked", CHUNKED),
    _with_body("chunks", CHUNKED, chunked(b"hello")),
    _with_body("a length, no token", ("Content-Length", "5"), tokens=()),
    _with_body("a length, for nobody", ("Content-Length", "5"), host="nowhere.fn.localhost"),
]
BEHIND = {
    "nothing": b"",
    "a request": ask("/smuggled"),
    "a bad request": b"junk\r\n\r\n" + ask("/smuggled"),
    "another handshake": ask("/smuggled", fields=_OPENING),
    "much": ask("/smuggled") * 100,
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND.keys())
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_a_refused_handshake_ends_its_connection_and_says_so(
    lanes: Lanes, case: Case, behind: bytes
) -> None:
    await judge(lanes, _followed(case, behind))


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND.keys())
@pytest.mark.parametrize("fields", [(), (("Content-Length", "0"),)], ids=["", "an empty body"])
async def test_the_functions_refusal_is_relayed(lanes: Lanes, fields: Pairs, behind: bytes) -> None:
    case = Case(
        name="the function's",
        sent=ask("/ws", fields=(*_OPENING, *fields)) + behind,
        answers=(relayed(b"no", 403, closes=True),),
        acts=(_FORBIDDEN,),
        after="gone",
        lane="either",
    )
    for lane, world in lanes["plain"].items():
        observed = await world.observe(case)
        assert observed.answers == case.answers, lane
        assert observed.after in {"closed", "reset"}, lane
        [seen] = observed.received
        assert (seen.target, seen.how, seen.body) == ("/ws", "none", b""), lane
        assert not observed.partial, lane
