"""HTTP/3 floods against one worker in a process of its own, whose memory is looked at."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from aioquic.h3.events import HeadersReceived

from tests.support.certificates import self_signed
from tests.support.http3 import Http3Client
from tests.support.supervised_edge import Supervised, supervised
from tests.support.whole_processes import memory

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
FREE = 10**9
"""Credit that is never used up."""


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Supervised]:
    certfile, keyfile = self_signed(tmp_path)
    tls = {"certfile": str(certfile), "keyfile": str(keyfile), "http3": True}
    with supervised(tmp_path, **tls, slow_reader=60) as served:
        yield served


async def connected(edge: Supervised, **settings: int | bool) -> Http3Client:
    return await Http3Client.connect(int(edge.address.rpartition(":")[2]), **settings)


async def unread_by_stream(edge: Supervised) -> Http3Client:
    client = await connected(edge, gives_credit=False, max_data=FREE, max_stream_data=20_000)
    for stream in [client.ask("/flood") for _ in range(100)]:
        await client.until(HeadersReceived, stream)
    return client


async def unread_at_all(edge: Supervised) -> Http3Client:
    client = await connected(edge, gives_credit=False, max_data=20_000, max_stream_data=FREE)
    for _ in range(100):
        client.ask("/flood")
    return client


async def acknowledged_never(edge: Supervised) -> Http3Client:
    """All the credit there is, a network that was good until now, and then no word any more."""
    client = await connected(edge, max_data=FREE, max_stream_data=FREE)
    await client.body(client.ask("/bytes?20000000"), 30)
    for _ in range(100):
        client.ask("/flood")
    client.deaf = True
    return client


async def sent_and_not_read(edge: Supervised) -> Http3Client:
    client = await connected(edge)
    for _ in range(60):
        client.send(client.ask("/slow?60", "POST", end=False), b"x" * 200_000)
    return client


async def given_up(edge: Supervised) -> Http3Client:
    client = await connected(edge)
    for _ in range(1500):
        while client.streams_left <= 0:
            await client.more()
        client.give_up(client.ask("/slow?60"))
    return client


@pytest.mark.parametrize(
    "flood", [unread_by_stream, unread_at_all, acknowledged_never, sent_and_not_read, given_up]
)
async def test_a_flood_takes_little_memory_and_others_are_served(edge: Supervised, flood) -> None:
    honest = await connected(edge)
    assert await honest.body(honest.ask("/ready")) == b"ready"
    (worker,) = edge.workers()
    before = memory(worker)[0]
    hostile = await flood(edge)
    await anyio.sleep(2)
    assert hostile.closed is None
    assert memory(worker)[0] - before < 16 * MIB
    assert await honest.body(honest.ask("/ready")) == b"ready"
    assert edge.workers() == {worker}
    for client in list(Http3Client.open):
        client.close()
