"""Addresses of names, asked of the system's resolver, each in a thread of its own: it blocks.

The loops' own threads are few and shared, so that one name whose servers are silent would keep all
others waiting. Here whoever asks for a name that is being asked for already waits for that answer:
a name takes one thread at most, however many requests there are and however many gave up.
"""

import asyncio
import socket
from contextlib import suppress
from threading import Thread

from edge.forwarding.eyeballs import Address

MOST = 256
"""Names that are being asked for at once."""

Found = asyncio.Future[list[Address]]


class Names:
    """The lookups under way, of one event loop."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], Found] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses to connect to, in the resolver's order.

        Raises:
            OSError: there are none, or too many names are being asked for.
            UnicodeError: it cannot be a name.
        """
        asked = self._asked.get((host, port))
        if asked is None:
            asked = self._ask(host, port)
        return await asyncio.shield(asked)

    def _ask(self, host: str, port: int) -> Found:
        if len(self._asked) >= MOST:
            raise OSError("too many names are being looked up")
        asked: Found = asyncio.get_running_loop().create_future()
        asked.add_done_callback(lambda _: self._asked.pop((host, port)))
        self._asked[host, port] = asked
        # A daemon: a resolver that is silent must not keep the process from ending.
        Thread(target=_look_up, args=(asked, host, port), name=f"name {host}", daemon=True).start()
        return asked


def _look_up(asked: Found, host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        _tell(asked, error)
    else:
        _tell(asked, [(info[0], info[4]) for info in found])


def _tell(asked: Found, what: list[Address] | Exception) -> None:
    with suppress(RuntimeError):  # the loop is closed
        asked.get_loop().call_soon_threadsafe(_settle, asked, what)


def _settle(asked: Found, what: list[Address] | Exception) -> None:
    if isinstance(what, Exception):
        asked.set_exception(what)
        asked.exception()  # all who asked may have given up
    else:
        asked.set_result(what)
