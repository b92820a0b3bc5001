"""HTTP/3 over real sockets: one stream's misfortune is no other's."""

import asyncio
from pathlib import Path

import anyio
import pytest
from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived
from aioquic.quic.events import StopSendingReceived, StreamReset

from tests.support.http3 import Http3Client
from tests.support.http3_server import http3_running


async def test_requests_are_answered_and_targets_are_raw(tmp_path: Path) -> None:
    async with http3_running(tmp_path) as edge:
        client = await Http3Client.connect(edge.port)
        first, second = client.ask("/target?"), client.ask("/target/%2f//x", "PURGE")
        assert await client.body(first) == b"GET /target?"
        assert await client.body(second) == b"PURGE /target/%2f//x"
        client.close()
