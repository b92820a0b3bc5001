"""A function's own reason phrase (RFC 9112 §4) reaches the client, on either lane."""

from pathlib import Path

import anyio
import pytest

from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.origin import answering, serving
from tests.support.websockets import opening

LINES = {
    "its own": (b"HTTP/1.1 200 Fine By Me", b"HTTP/1.1 200 Fine By Me"),
    "the usual one": (b"HTTP/1.1 404 Not Found", b"HTTP/1.1 404 Not Found"),
    "of an unknown status": (b"HTTP/1.1 299 So So", b"HTTP/1.1 299 So So"),
    "obs-text": (b"HTTP/1.1 200 s\xc3\xad", b"HTTP/1.1 200 s\xc3\xad"),
    "empty": (b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK"),
    "none": (b"HTTP/1.1 503", b"HTTP/1.1 503 Service Unavailable"),
}


async def status_line(edge: EdgeInProcess, sent: bytes) -> bytes:
    async with edge.http1() as client:
        await client.send(sent)
        with anyio.fail_after(5):
            return (await client.reader.readuntil(b"\r\n")).removesuffix(b"\r\n")


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize(("sent", "expected"), LINES.values(), ids=LINES.keys())
async def test_the_reason_phrase_is_the_functions(
    tmp_path: Path, fast_lane: bool, sent: bytes, expected: bytes
) -> None:
    answer = answering(sent + b"\r\ncontent-length: 2\r\n\r\nno")
    async with serving(answer) as origin, running(tmp_path, fast_lane=fast_lane) as edge:
        edge.deploy(origin.upstream)
        fields = [("x-jelou-token", edge.token)]
        for version in ("1.1", "1.0"):
            ask = request(fields=fields, version=version)
            assert await status_line(edge, ask) == expected
        assert await status_line(edge, request()) == b"HTTP/1.1 401 Unauthorized"


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_the_reason_phrase_of_a_refused_websocket_is_the_functions(
    tmp_path: Path, fast_lane: bool
) -> None:
    answer = answering(b"HTTP/1.1 403 Not You\r\ncontent-length: 2\r\n\r\nno")
    async with serving(answer) as origin, running(tmp_path, fast_lane=fast_lane) as edge:
        edge.deploy(origin.upstream)
        handshake = opening(fields=[("x-jelou-token", edge.token)])
        assert await status_line(edge, handshake) == b"HTTP/1.1 403 Not You"
