"""Connecting to whichever of several addresses answers first (RFC 8305), on any event loop.

Of the loops only asyncio's own can do it; uvloop tries one address after the other, so that a
first one which is dead uses up all the time there is.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

DELAY = 0.25
"""Seconds after which the next address is tried too (RFC 8305 §5)."""

Address = tuple[int, tuple[Any, ...]]


def taking_turns(addresses: Sequence[Address]) -> list[Address]:
    """Addresses of the first one's family and of the others by turns (RFC 8305 §4)."""
    family = addresses[0][0]
    first = [address for address in addresses if address[0] == family]
    others = [address for address in addresses if address[0] != family]
    pairs = chain.from_iterable(zip_longest(first, others))
    return [address for address in pairs if address is not None]


async def first_to_connect(addresses: Iterable[Address], delay: float = DELAY) -> socket.socket:
    """Try one address after the other, the next as soon as one fails or takes longer than `delay`.

    Raises:
        OSError: all of them failed; it is the first one's.
    """
    attempts: list[asyncio.Task[socket.socket]] = []
    pending: set[asyncio.Task[socket.socket]] = set()
    waiting = list(addresses)
    try:
        while waiting or pending:
            if waiting:
                attempts.append(asyncio.create_task(_connect(waiting.pop(0))))
                pending.add(attempts[-1])
            done, pending = await asyncio.wait(
                pending,
                timeout=delay if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                if attempt.exception() is None:
                    attempts.remove(attempt)
                    return attempt.result()
        return attempts[0].result()
    finally:
        await _give_up(attempts)


async def _connect(address: Address) -> socket.socket:
    family, where = address
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, where)
    except BaseException:
        connection.close()
        raise
    return connection


async def _give_up(attempts: list[asyncio.Task[socket.socket]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for connection in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(connection, socket.socket):
            connection.close()
