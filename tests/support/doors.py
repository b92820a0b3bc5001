"""Connections of any protocol to an edge on loopback, closed at their end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.http1_client import Http1Client
from tests.support.http2_client import Http2Client


class Doors:
    """What has a port; for an edge, or the address of one."""

    port: int

    @asynccontextmanager
    async def http1(self) -> AsyncIterator[Http1Client]:
        """A connection that speaks HTTP/1.x, byte by byte."""
        client = await Http1Client.connect("127.0.0.1", self.port)
        try:
            yield client
        finally:
            await client.aclose()

    @asynccontextmanager
    async def http2(self) -> AsyncIterator[Http2Client]:
        """A connection that speaks HTTP/2 with prior knowledge."""
        client = await Http2Client.connect("127.0.0.1", self.port)
        try:
            yield client
        finally:
            await client.aclose()
