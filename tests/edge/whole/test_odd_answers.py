"""Answers of functions that are odd but legal, or illegal in their details."""

import pytest

from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess
from tests.support.origin import Origin, answering, closing_after

ODD = {
    "204 with a length": (b"204 No Content\r\ncontent-length: 0", b"", 204),
    "205": (b"205 Reset Content\r\ncontent-length: 0", b"", 205),
    "unknown status": (b"299 Whatever\r\ncontent-length: 2", b"ok", 299),
    "status beyond the table": (b"599 \r\ncontent-length: 2", b"ok", 599),
    "no reason": (b"200\r\ncontent-length: 2", b"ok", 200),
    "reason in Latin-1": (b"200 \xe4\r\ncontent-length: 2", b"ok", 200),
    "value in UTF-8": ("200 OK\r\nx: ä\r\ncontent-length: 2".encode(), b"ok", 200),
    "tab in a value": (b"200 OK\r\nx: a\tb\r\ncontent-length: 2", b"ok", 200),
    "empty value": (b"200 OK\r\nx:\r\ncontent-length: 2", b"ok", 200),
    "spaces around a value": (b"200 OK\r\nx:   a  \r\ncontent-length: 2", b"ok", 200),
    "many cookies": (
        b"200 OK\r\n" + b"set-cookie: a\r\n" * 150 + b"content-length: 2",
        b"ok",
        200,
    ),
    "large value": (b"200 OK\r\nx: " + b"a" * 60_000 + b"\r\ncontent-length: 2", b"ok", 200),
    "closes": (b"200 OK\r\nconnection: close\r\ncontent-length: 2", b"ok", 200),
    "names its trailers": (b"200 OK\r\ntrailer: x-sum\r\ncontent-length: 2", b"ok", 200),
    "keep-alive": (b"200 OK\r\nkeep-alive: timeout=5\r\ncontent-length: 2", b"ok", 200),
    "own vary": (b"200 OK\r\nvary: *\r\ncontent-length: 2", b"ok", 200),
    "own CORS": (b"200 OK\r\naccess-control-allow-origin: null\r\ncontent-length: 2", b"ok", 200),
}


@pytest.mark.parametrize(("head", "body", "status"), ODD.values(), ids=ODD.keys())
async def test_an_odd_answer_is_relayed(
    edge: EdgeInProcess, origin: Origin, caller: Caller, head: bytes, body: bytes, status: int
) -> None:
    origin.behaviour = answering(b"HTTP/1.1 " + head + b"\r\n\r\n" + body)
    edge.deploy(origin.upstream)
    for _ in range(2):
        answer = await caller.ask()
        assert (answer.status, bytes(answer.body), answer.whole) == (status, body, True)
        assert answer.one("date")
        assert answer.one("x-request-id")


ILLEGAL = {
    "vertical tab in a value": b"x: a\x0bb",
    "form feed in a value": b"x: a\x0cb",
    "NUL in a value": b"x: a\0b",
    "bell in a value": b"x: a\x07b",
    "carriage return in a value": b"x: a\rb",
    "delete in a value": b"x: a\x7fb",
    "space in a name": b"x y: a",
    "space before the colon": b"x : a",
    "colon missing": b"x",
    "folded": b"x: a\r\n b",
    "bare line feed": b"x: a\nx-forged: b",
    "empty name": b": a",
    "pseudo-header": b":status: 500",
    "name in UTF-8": "ä: a".encode(),
    "own Connection": b"connection: x-request-id",
}


@pytest.mark.parametrize("line", ILLEGAL.values(), ids=ILLEGAL.keys())
async def test_an_illegal_field_is_a_502_or_does_no_harm(
    edge: EdgeInProcess, origin: Origin, caller: Caller, line: bytes
) -> None:
    origin.behaviour = closing_after(
        b"HTTP/1.1 200 OK\r\n" + line + b"\r\ncontent-length: 2\r\n\r\nok"
    )
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert answer.status in (200, 502)
    assert answer.whole
    assert answer.one("x-request-id")
    if answer.status == 502:
        assert answer.json["code"] == "upstream_invalid"
    else:
        assert not answer.all("x-forged")
        assert bytes(answer.body) == b"ok"


async def test_what_only_the_edge_may_say_is_not_believed_of_a_function(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = answering(
        b"HTTP/1.1 401 Unauthorized\r\nx-jelou-error-source: edge\r\nx-request-id: forged\r\n"
        b"www-authenticate: Basic\r\ncontent-length: 2\r\n\r\nno"
    )
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert (answer.status, bytes(answer.body)) == (401, b"no")
    assert not answer.all("x-jelou-error-source")
    assert answer.one("x-request-id") != "forged"
    assert answer.one("www-authenticate") == "Basic"
