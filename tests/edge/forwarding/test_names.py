"""Names: those that do not resolve, those that resolve late, and the threads that they take."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from edge.forwarding.names import MOST, Names
from edge.forwarding.wire import Timeouts, UpstreamFailure
from edge.functions import Upstream
from tests.support.origin import OK, answering, serving
from tests.support.upstream_calls import call, pooled, read, until


class Resolver:
    """The system's resolver, but for names that end in `.slow`: those wait for the test.

    Attributes:
        asked: the slow names, as often as they were asked for.
        answers: set once they resolve, to 127.0.0.1.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self._system = socket.getaddrinfo

    def __call__(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
        """See `socket.getaddrinfo`."""
        if host.endswith(".slow"):
            self.asked.append(host)
            self.answers.wait(20)
            host = "127.0.0.1"
        return self._system(host, port, *rest, **more)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """The resolver of this test; at its end no thread waits any more."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answers.set()


async def test_a_name_that_resolves_late_is_given_up_in_time_and_found_later(
    resolver: Resolver,
) -> None:
    async with serving(answering(OK)) as origin, pooled() as pool:
        slow = Upstream("http", "late.slow", origin.upstream.port)
        for _ in range(3):
            with pytest.raises(UpstreamFailure) as caught:
                await call(pool, slow, timeouts=Timeouts(connect=0.05))
            assert (caught.value.kind, caught.value.written) == ("unreachable", False)
        assert resolver.asked == ["late.slow"]
        asking = asyncio.create_task(call(pool, slow))
        await asyncio.sleep(0)
        resolver.answers.set()
        assert await read(await asking) == b"ok"


async def test_names_that_do_not_resolve_keep_no_other_name_waiting(resolver: Resolver) -> None:
    async with serving(answering(OK)) as origin, pooled() as pool:
        silent = [Upstream("http", f"{number}.slow", 80) for number in range(40)]
        waiting = [
            asyncio.create_task(call(pool, each, timeouts=Timeouts(connect=5)))
            for each in silent
            for _ in range(10)
        ]
        await until(lambda: len(resolver.asked) == len(silent))
        with anyio.fail_after(2):
            named = Upstream("http", "localhost", origin.upstream.port)
            assert await read(await call(pool, named)) == b"ok"
        assert len(resolver.asked) == len(silent)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_names_that_are_asked_for_at_once_are_bounded(resolver: Resolver) -> None:
    names = Names()
    waiting = [asyncio.create_task(names.addresses(f"{n}.slow", 80)) for n in range(MOST)]
    await until(lambda: len(resolver.asked) == MOST)
    with pytest.raises(OSError, match="too many names"):
        await names.addresses("localhost", 80)
    resolver.answers.set()
    assert all(found[0][1] == ("127.0.0.1", 80) for found in await asyncio.gather(*waiting))
    assert await names.addresses("localhost", 80)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "a..b"])
async def test_a_name_that_does_not_resolve_is_told_to_all_who_asked(host: str) -> None:
    names = Names()
    told = await asyncio.gather(
        *(names.addresses(host, 80) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(one, OSError | UnicodeError) for one in told)
