"""Bodies of any size go through in both directions, whole, in a worker whose memory stays flat."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import PIECE, Function
from tests.support.whole_processes import forget_peak, memory

MIB = 1024 * 1024
SIZES = [
    pytest.param(64 * MIB, 24 * MIB, id="64 MiB"),
    pytest.param(
        1024 * MIB, 64 * MIB, id="1 GiB", marks=[pytest.mark.slow, pytest.mark.timeout(300)]
    ),
]


def pieces(size: int) -> Iterator[bytes]:
    """The body."""
    for _ in range(size // len(PIECE)):
        yield PIECE


def checksum(size: int) -> int:
    """The body's CRC-32."""
    crc = 0
    for piece in pieces(size):
        crc = zlib.crc32(piece, crc)
    return crc


@pytest.mark.parametrize(("size", "growth"), SIZES)
def test_bodies_stream_in_both_directions_with_flat_memory(
    tmp_path: Path, origin: Function, size: int, growth: int
) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy("shop", origin.url, limits={"body": None}).token or ""
        [worker] = edge.workers
        caller = edge.caller()
        assert caller.ask("/shop/hello", token).status == 200
        forget_peak(worker)
        before, _ = memory(worker)

        for framing in ({"Content-Length": str(size)}, {}):
            headers = {"X-Jelou-Token": token, **framing}
            caller.connection.request("POST", "/shop/upload", body=pieces(size), headers=headers)
            expected = {"bytes": size, "crc32": checksum(size)}
            assert json.loads(caller.receive().body) == expected

        caller.send(f"/shop/download?{size}", token)
        response = caller.connection.getresponse()
        crc = got = 0
        while piece := response.read(len(PIECE)):
            crc, got = zlib.crc32(piece, crc), got + len(piece)
        assert (got, crc) == (size, checksum(size))

        assert caller.ask("/shop/hello", token).status == 200
        _, peak = memory(worker)
        assert peak - before < growth
        caller.close()


def test_a_body_over_the_functions_limit_is_413_and_the_function_never_has_it_whole(
    shared_edge: Edge, origin: Function
) -> None:
    edge = shared_edge
    token = edge.deploy("shop", origin.url, limits={"body": MIB}).token or ""
    for framing in ({"Content-Length": str(2 * MIB)}, {"Transfer-Encoding": "chunked"}):
        caller = edge.caller()
        caller.connection.putrequest("POST", "/shop/upload")
        for name, value in {"X-Jelou-Token": token, **framing}.items():
            caller.connection.putheader(name, value)
        caller.connection.endheaders()
        if "Transfer-Encoding" in framing:
            for _ in range(17):
                caller.connection.send(b"10000\r\n" + PIECE + b"\r\n")
        answer = caller.receive()
        assert (answer.status, answer.json["code"]) == (413, "body_too_large")
        assert answer.headers["x-jelou-error-source"] == "edge"
        caller.close()
    caller = edge.caller()
    answer = caller.ask("/shop/upload", token, method="POST", body=PIECE * 16)
    assert answer.json["bytes"] == MIB
    caller.close()
