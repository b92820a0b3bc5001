"""A fuzz: what our parser takes for a request, h11 takes for the same request.

A server that sees another message than its neighbours do is how requests are smuggled. h11 is what
the ASGI lane reads what was accepted with; it is the more lenient one, never the other way round.
"""

import random

import h11
import pytest

from tests.support.request_bytes import bodies, heads, read

SEEDS = (
    b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"POST /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"GET http://b.example/x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nAccept: text/html\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: keep-alive\r\nX-A: \xc3\xa4\r\n\r\n",
    b"PUT /%2e%2e/ HTTP/1.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
    b"PATCH /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\nX-B:\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nX-C: a:b \t c\r\n\r\n",
)
SNIPPETS = (
    *(bytes([byte]) for byte in b"\r\n\t :;,/?#%*@[]()<>\"'\\{}=&+-_.~!09azAZ"),
    *(bytes([byte]) for byte in (0, 1, 11, 12, 27, 127, 128, 160, 255)),
    b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t", b": ", b" :", b"  ", b"HTTP/1.1",
    b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"\r\nContent-Length: 5", b"\r\nContent-Length: 0",
    b"\r\nX-D: e", b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: gzip",
    b"\r\nHost: b", b"\r\nA:b",
    b"\r\nConnection: close", b"Content-Length", b"Transfer-Encoding", b"chunked", b"0x", b"000",
)  # fmt: skip


def mutated(source: random.Random) -> bytes:
    """A request that someone has tampered with in a few places."""
    data = source.choice(SEEDS)
    for _ in range(source.choice((0, 1, 1, 1, 2, 2, 3, 4))):
        at = source.randrange(len(data) + 1)
        dropped = source.choice((0, 0, 0, 1, 1, 2, 4, 16))
        put = source.choice(SNIPPETS) if source.random() < 0.8 else b""
        data = data[:at] + put + data[at + dropped :]
    return data


def by_h11(data: bytes) -> tuple[h11.Request, bytes | None]:
    """The first request in these bytes, and its body if that is sound and whole.

    Raises:
        h11.RemoteProtocolError: there is none.
    """
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**16)
    server.receive_data(data)
    request = server.next_event()
    assert isinstance(request, h11.Request), request
    body = b""
    try:
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return request, None
    return request, body if isinstance(event, h11.EndOfMessage) else None


def is_read_alike(data: bytes) -> bool:
    """Whether our parser accepts the first head, which h11 must then see the same way."""
    events = read([data])[0]
    if not heads(events):
        return False
    begun, whole = heads(events)[0], bodies(events)
    # From the first byte of the head on: h11 lets no empty line pass before it.
    request, body = by_h11(data[data.index(begun.raw) :])
    assert request.method == begun.head.method.encode()
    assert request.target == begun.head.target
    assert request.http_version == begun.head.version.encode()
    assert tuple(request.headers) == tuple(map(_as_h11_says, begun.head.headers))
    assert _length_by(request) == begun.length
    assert not whole or whole[0] == body
    return True


def _as_h11_says(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """It writes the coding, which is the same in any case, in lower case."""
    name, value = field
    return name, value.lower() if name == b"transfer-encoding" else value


def _length_by(request: h11.Request) -> int | None:
    fields = dict(request.headers)
    if b"transfer-encoding" in fields:
        assert fields[b"transfer-encoding"].lower() == b"chunked"
        return None
    return int(fields.get(b"content-length", b"0"))


def accepted_of(count: int, seed: int) -> int:
    source = random.Random(seed)
    return sum(is_read_alike(mutated(source)) for _ in range(count))


def test_what_we_accept_h11_accepts_as_the_same_request() -> None:
    assert accepted_of(80_000, seed=9112) > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_what_we_accept_h11_accepts_with_a_larger_budget(seed: int) -> None:
    assert accepted_of(100_000, seed) > 25_000


@pytest.mark.parametrize("data", SEEDS)
def test_what_the_fuzz_begins_with_is_accepted(data: bytes) -> None:
    assert is_read_alike(data)
