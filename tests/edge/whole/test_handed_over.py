"""Connections that begin on one lane and go on on the other: every request is served once."""

import anyio
import anyio.lowlevel

from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import request
from tests.support.origin import Origin

EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
"""A frame (RFC 9113 §4.1, §6.5): length, type, flags, stream."""


async def test_requests_behind_one_for_the_other_lane_are_served_once_and_in_order(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream)
    token = ("x-jelou-token", edge.token)
    expecting = request("/1", "POST", [token, ("expect", "100-continue")], b"hi")
    plain = request("/0", fields=[token])
    async with edge.http1() as client:
        await client.send(plain + expecting + plain + request("/2", fields=[token]))
        for _ in range(4):
            assert (await client.answer()).status == 200
    assert [seen.target for seen in origin.seen] == [b"/0", b"/1", b"/0", b"/2"]


async def test_an_http_2_preface_may_come_byte_by_byte(edge: EdgeInProcess) -> None:
    async with edge.http1() as client:
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + EMPTY_SETTINGS:
            await client.send(bytes([byte]))
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(5):
            answer = await client.reader.readexactly(len(EMPTY_SETTINGS))
    assert answer[3:] == EMPTY_SETTINGS[3:]
