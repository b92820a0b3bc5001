"""Sessions of MCP servers in several workers: opened again once, and the same one everywhere."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from edge.state.peers import Peers
from edge.state.upstream_sessions import UpstreamSessions
from mcp_bridge.session import MemoryEndedSessions, SessionKey
from mcp_bridge.upstream_session import UpstreamSession

KEY = SessionKey("k1", b"1" * 32)
NOW = 1_800_000_000.0
OPENING: dict[str, Any] = {"protocolVersion": "2025-11-25"}


async def at_once(call: Callable[..., object], *arguments: Any) -> object:
    """Stands for a thread."""
    return call(*arguments)


def worker(peers: Peers) -> UpstreamSessions:
    """One worker's sessions."""
    ended = MemoryEndedSessions(lambda: NOW)
    return UpstreamSessions(lambda: [KEY], ended, lambda: NOW, os.urandom, at_once, peers)


@pytest.fixture
def workers() -> list[UpstreamSessions]:
    """Two workers that hear one another."""
    peers: list[Peers] = []
    peers += [Peers(n, {1 - n: lambda told, other=1 - n: peers[other].heard(told)}) for n in (0, 1)]
    return [worker(each) for each in peers]


def opened(sessions: UpstreamSessions) -> UpstreamSession:
    """A session as its function opened it."""
    text = sessions.made("own-1", OPENING, "shop", "tok_1")
    assert text is not None
    session = sessions.find(text, "shop", "tok_1")
    assert session is not None
    return session


def opens(upstream_id: str | None, times: list[str] | None = None) -> Callable[[], Awaitable[Any]]:
    """A function that opens a session with this id; notes each time."""

    async def open_it() -> str | None:
        await anyio.lowlevel.checkpoint()
        if times is not None:
            times.append(str(upstream_id))
        return upstream_id

    return open_it


async def test_every_worker_goes_on_with_the_session_that_one_opened_again(
    workers: list[UpstreamSessions],
) -> None:
    session = opened(workers[0])
    assert await workers[0].reopened(session, "own-1", opens("own-2")) == "own-2"
    assert [each.current(session) for each in workers] == ["own-2", "own-2"]
    # What another request of it still finds dead is known to be.
    assert await workers[1].reopened(session, "own-1", opens("own-3")) == "own-2"
    assert await workers[1].reopened(session, "own-2", opens("own-1b")) == "own-1b"
    assert [each.current(session) for each in workers] == ["own-1b", "own-1b"]


async def test_workers_that_open_it_at_once_agree_on_one(workers: list[UpstreamSessions]) -> None:
    session = opened(workers[0])
    async with anyio.create_task_group() as tasks:
        for sessions, name in zip(workers, ("a", "b"), strict=True):
            tasks.start_soon(sessions.reopened, session, "own-1", opens(name))
    assert len({each.current(session) for each in workers}) == 1


async def test_a_session_that_cannot_be_opened_is_tried_again(
    workers: list[UpstreamSessions],
) -> None:
    session = opened(workers[0])
    assert await workers[0].reopened(session, "own-1", opens(None)) is None
    assert await workers[0].reopened(session, "own-1", opens("own-2")) == "own-2"


async def test_requests_that_find_it_dead_together_open_it_once(
    workers: list[UpstreamSessions],
) -> None:
    session, times = opened(workers[0]), list[str]()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(workers[0].reopened, session, "own-1", opens("own-2", times))
    assert times == ["own-2"]


@pytest.mark.parametrize("told", [None, [], ["a"], [1, 2, 3], ["a", "b", "c"], {"a": 1}])
def test_what_another_release_tells_is_borne(told: Any) -> None:
    peers = Peers()
    sessions = worker(peers)
    Peers(1, {0: peers.heard}).tell("mcp-session-reopened", told)
    assert sessions.current(opened(sessions)) == "own-1"


async def test_an_ended_session_is_found_no_more(workers: list[UpstreamSessions]) -> None:
    session = opened(workers[0])
    await workers[0].end(session)
    assert workers[0].find(session.text, "shop", "tok_1") is None
