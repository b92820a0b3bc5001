"""What a worker tells reaches every other one, also one that has been replaced."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import anyio
import pytest

from edge.server.mailboxes import Mailbox, delivered, peers_over
from edge.state.peers import LONGEST_MESSAGE, Peers
from tests.support.supervised_edge import get, kill, supervised, until


@pytest.fixture
def mailboxes() -> Iterator[list[Mailbox]]:
    """Those of two slots."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Mailbox.open())) for _ in range(2)]


def peers(slot: int, mailboxes: list[Mailbox]) -> Peers:
    return peers_over(slot, [mailbox.writing for mailbox in mailboxes])


@pytest.mark.parametrize("loop", ["asyncio", "auto"])
def test_a_message_reaches_every_worker_and_those_that_replace_one(
    tmp_path: Path, loop: str
) -> None:
    with supervised(tmp_path, workers=4, loop=loop) as edge, ExitStack() as stack:
        clients = {pid: edge.connection_to(pid, stack) for pid in edge.workers()}
        first, victim, *others = clients
        get(clients[first], "/tell?one")
        for pid in (victim, *others):
            until(lambda pid=pid: heard(clients[pid]) == "one")  # type: ignore[misc]
        kill(victim)
        until(lambda: victim not in edge.workers() and len(edge.workers()) == 4)
        (replacement,) = edge.workers() - set(clients)
        clients[replacement] = edge.connection_to(replacement, stack)
        get(clients[first], "/tell?two")
        until(lambda: heard(clients[replacement]) == "two")
        get(clients[replacement], "/tell?three")
        until(lambda: heard(clients[first]) == "three")
        for pid in others:
            until(lambda pid=pid: heard(clients[pid]) == "one two three")  # type: ignore[misc]


def heard(client: HTTPConnection) -> str:
    return get(client, "/heard")[1]


async def test_a_message_waits_for_a_worker_that_starts(mailboxes: list[Mailbox]) -> None:
    peers(0, mailboxes).tell("said", "early")
    heard: asyncio.Queue[str] = asyncio.Queue()
    late = peers(1, mailboxes)
    late.hear("said", heard.put_nowait)
    with anyio.fail_after(5), delivered(mailboxes[1].reading, late):
        assert await heard.get() == "early"


async def test_a_worker_that_does_not_read_holds_up_nobody_and_gets_what_fitted(
    mailboxes: list[Mailbox],
) -> None:
    told, heard = 20_000, list[int]()
    teller, slow = peers(0, mailboxes), peers(1, mailboxes)
    for number in range(told):
        teller.tell("said", number)
    begun, last = asyncio.Event(), asyncio.Event()

    def hear(number: int) -> None:
        heard.append(number)
        begun.set()

    slow.hear("said", hear)
    slow.hear("last", lambda _: last.set())
    with anyio.fail_after(5), delivered(mailboxes[1].reading, slow):
        await begun.wait()
        await _room(mailboxes[1])
        teller.tell("last", None)
        await last.wait()
    assert 100 < len(heard) < told
    assert heard == list(range(len(heard)))


async def _room(mailbox: Mailbox) -> None:
    room = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_writer(mailbox.writing, room.set)
    await room.wait()
    loop.remove_writer(mailbox.writing)


async def test_the_longest_message_passes_and_bytes_that_are_none_are_ignored(
    mailboxes: list[Mailbox],
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    receiver = peers(1, mailboxes)
    receiver.hear("said", heard.put_nowait)
    longest = "x" * (LONGEST_MESSAGE - len('["said",""]'))
    for stray in (b"", b"\xff", b"[", b'["said"]', b'["said","%b"]' % (b"x" * 2 * LONGEST_MESSAGE)):
        mailboxes[1].writing.send(stray)
    peers(0, mailboxes).tell("said", longest)
    with anyio.fail_after(5), delivered(mailboxes[1].reading, receiver):
        assert await heard.get() == longest


async def test_a_message_to_a_closed_mailbox_is_lost(mailboxes: list[Mailbox]) -> None:
    mailboxes[1].reading.close()
    peers(0, mailboxes).tell("said", "anything")
