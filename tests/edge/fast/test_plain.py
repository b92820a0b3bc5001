"""Which requests the fast lane takes, and how it says where their bodies end."""

import pytest

from edge.fast.plain import framing
from edge.message import Head
from edge.server.heads import parse_head
from tests.support.asking import SETTINGS, UNKNOWN

START = "POST / HTTP/1.1\r\nHost: shop.fn.localhost"
OPENING = (
    "GET / HTTP/1.1\r\nHost: shop.fn.localhost\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
)


def read(*lines: str, start: str = START) -> Head:
    return parse_head("\r\n".join([start, *lines]).encode(), UNKNOWN, SETTINGS)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], (0, False)),
        (["Content-Length: 0"], (0, False)),
        (["Content-Length: 12"], (12, False)),
        (["content-LENGTH:  0012 "], (12, False)),
        (["Content-Length: " + "9" * 18], (int("9" * 18), False)),
        (["Transfer-Encoding: chunked"], (None, False)),
        (["transfer-encoding: CHUNKED"], (None, False)),
        (["Connection: close"], (0, True)),
        (["Connection: CLOSE", "Content-Length: 3"], (3, True)),
        (["Connection: keep-alive"], (0, False)),
        (["Connection: Keep-Alive", "Keep-Alive: timeout=5"], (0, False)),
        (["Connection: keep-alive", "Connection: close"], (0, True)),
        (["Connection: close", "Connection: keep-alive"], (0, True)),
    ],
)
def test_plain_requests_say_where_they_end(
    lines: list[str], expected: tuple[int | None, bool]
) -> None:
    assert framing(read(*lines)) == expected


@pytest.mark.parametrize(
    "lines",
    [
        ["Expect: 100-continue"],
        ["Expect: anything"],
        ["TE: trailers"],
        ["TE: gzip"],
        ["Upgrade: h2c"],
        ["Upgrade: websocket"],
        ["HTTP2-Settings: AAAA"],
        ["Proxy-Connection: keep-alive"],
        ["Close: 1"],
        ["Connection: close", "Close: 1"],
        ["Connection: "],
        ["Connection: x-a"],
        ["Connection: close, x-a"],
        ["Connection: keep-alive, close"],
        ["Connection: close;q=1"],
        ["Connection: close", "Connection: x-a"],
    ],
)
def test_what_is_odd_is_for_the_other_lane(lines: list[str]) -> None:
    assert framing(read(*lines)) is None


def test_http_1_0_is_for_the_other_lane() -> None:
    assert framing(read(start=START.replace("1.1", "1.0"))) is None


@pytest.mark.parametrize(
    "lines",
    [
        ["Connection: Upgrade"],
        ["Connection: keep-alive, Upgrade"],
        ["Connection: upgrade", "Connection: close"],
    ],
)
def test_an_opening_of_a_websocket_is_its_connections_last_request(lines: list[str]) -> None:
    head = read(*lines, start=OPENING)
    assert head.websocket
    assert framing(head) == (0, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Version: 13", "Version: 12"),
        ("\r\nSec-WebSocket-Version: 13", ""),
        ("Key: dGhl", "Key: d"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Version: 13", "Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        ("Version: 13", "Version: 13\r\nContent-Length: 0"),
        ("Version: 13", "Version: 13\r\nExpect: 100-continue"),
        ("Version: 13", "Version: 13\r\nTE: trailers"),
        ("Version: 13", "Version: 13\r\nHTTP2-Settings: AAAA"),
        ("Version: 13", "Version: 13\r\nConnection: x-a"),
    ],
)
def test_an_odd_opening_is_for_the_other_lane(old: str, new: str) -> None:
    head = read("Connection: Upgrade", start=OPENING.replace(old, new))
    assert head.websocket
    assert framing(head) is None
