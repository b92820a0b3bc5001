"""A cancellation ends the one call that it can mean, in whichever worker, and never another."""

import asyncio
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from edge.state.mcp_calls import ASKED_AT_ONCE, ASKED_AT_ONCE_PER_SESSION, McpCalls
from edge.state.peers import LONGEST_MESSAGE
from mcp_bridge.jsonrpc import RequestId
from mcp_bridge.jsontext import parse
from tests.support.wire import Wire

RANDOM = b"\0" * 6


def zeros(count: int) -> bytes:
    return RANDOM[:count]


def workers(wire: Wire) -> list[McpCalls]:
    return [McpCalls(peers, zeros) for peers in wire.peers]


@dataclass
class Call:
    """A call in flight."""

    calls: McpCalls
    id: RequestId = 1
    nonce: str = "n1"
    cancelled: int = 0

    def __post_init__(self) -> None:
        self.ticket = self.calls.add(self.nonce, self.id, self.cancel)

    def cancel(self) -> None:
        self.cancelled += 1
        self.over()

    def over(self) -> None:
        self.calls.remove(self.nonce, self.id, self.ticket)


@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_the_only_call_of_an_id_is_cancelled_wherever_it_is(asked: int) -> None:
    of = workers(Wire(3))
    call = Call(of[1])
    assert await of[asked].cancel("n1", 1)
    assert call.cancelled == 1
    assert len(of[1]) == 0
    assert not await of[asked].cancel("n1", 1)
    assert call.cancelled == 1


@pytest.mark.parametrize("held", [(0, 0), (0, 1), (1, 1), (1, 2), (0, 1, 2), (2, 2, 2)])
async def test_of_calls_with_one_id_none_is_cancelled(held: tuple[int, ...]) -> None:
    of = workers(Wire(3))
    several = [Call(of[slot]) for slot in held]
    assert not await of[0].cancel("n1", 1)
    assert [call.cancelled for call in several] == [0] * len(held)
    for call in several[1:]:
        call.over()
    assert await of[0].cancel("n1", 1)
    assert several[0].cancelled == 1


async def test_a_worker_that_is_alone_cancels_its_own() -> None:
    (calls,) = workers(Wire(1))
    call = Call(calls)
    assert await calls.cancel("n1", 1)
    assert call.cancelled == 1


@pytest.mark.parametrize("other", ["1", True, 1.0, None, [1], {"id": 1}, 2, ""])
async def test_an_id_is_a_string_or_an_integer_and_these_differ(other: Any) -> None:
    of = workers(Wire(2))
    call = Call(of[1], 1)
    assert not await of[0].cancel("n1", other)
    assert not await of[1].cancel("n1", other)
    assert call.cancelled == 0


async def test_calls_of_other_sessions_are_neither_counted_nor_cancelled() -> None:
    of = workers(Wire(2))
    mine, others = Call(of[0]), Call(of[1], nonce="n2")
    assert await of[1].cancel("n1", 1)
    assert (mine.cancelled, others.cancelled) == (1, 0)


async def test_a_call_that_is_over_is_not_cancelled() -> None:
    of = workers(Wire(2))
    call = Call(of[1])
    call.over()
    assert not await of[0].cancel("n1", 1)
    assert call.cancelled == 0


@pytest.mark.parametrize("length", [64, 65, 128, 2 * LONGEST_MESSAGE])
async def test_an_id_may_be_longer_than_a_message(length: int) -> None:
    of = workers(Wire(2))
    call, other = Call(of[1], "é" * length), Call(of[1], "é" * (length - 1) + "x")
    assert await of[0].cancel("n1", "é" * length)
    assert (call.cancelled, other.cancelled) == (1, 0)


async def test_while_a_worker_does_not_answer_nothing_is_cancelled() -> None:
    wire = Wire(3, dead={2})
    of = workers(wire)
    here, there = Call(of[0], "here"), Call(of[1], "there")
    with anyio.fail_after(5):
        assert not await of[0].cancel("n1", "here")
        assert not await of[0].cancel("n1", "there")
    assert (here.cancelled, there.cancelled) == (0, 0)
    wire.dead.clear()
    McpCalls(wire.replace(2), zeros)
    assert await of[0].cancel("n1", "here")
    assert await of[0].cancel("n1", "there")


async def test_a_call_that_takes_the_id_of_one_being_cancelled_goes_on() -> None:
    wire = Wire(2, by_hand=True)
    of = workers(wire)
    meant = Call(of[1])
    cancelling = asyncio.create_task(of[0].cancel("n1", 1))
    await asyncio.sleep(0)
    slot, question = wire.waiting.popleft()
    wire.peers[slot].heard(question)
    meant.over()
    later = Call(of[1])
    wire.flow()
    await cancelling
    wire.flow()
    assert (meant.cancelled, later.cancelled) == (0, 0)


async def test_a_question_is_answered_by_the_worker_that_was_asked_and_once() -> None:
    """What is said twice, or by a worker that was not asked, does not stand for one that was."""
    wire = Wire(3, dead={2}, by_hand=True)
    of = workers(wire)
    call = Call(of[1])
    cancelling = asyncio.create_task(of[0].cancel("n1", 1))
    await asyncio.sleep(0)
    _, [_, number, *_] = parse(wire.waiting[0][1])
    wire.flow()
    for slot in (1, 7, 0):
        wire.peers[1].tell("mcp_calls.answer", [number, slot, []], 0)
    wire.flow()
    assert not await cancelling
    assert call.cancelled == 0


async def test_cancelling_at_once_from_two_workers_cancels_once() -> None:
    of = workers(Wire(3))
    call = Call(of[0])
    await asyncio.gather(*(calls.cancel("n1", 1) for calls in of for _ in range(2)))
    assert call.cancelled == 1


async def test_a_flood_of_cancellations_of_one_session_asks_a_few_questions() -> None:
    wire = Wire(2, dead={1})
    of = workers(wire)
    asking = [asyncio.create_task(of[0].cancel("n1", number)) for number in range(500)]
    await asyncio.sleep(0)
    assert wire.told == ASKED_AT_ONCE_PER_SESSION
    assert not any(await asyncio.gather(*asking))


async def test_a_flood_of_cancellations_of_many_sessions_asks_a_bounded_number() -> None:
    wire = Wire(2, dead={1})
    of = workers(wire)
    asking = [asyncio.create_task(of[0].cancel(f"n{number}", 1)) for number in range(500)]
    await asyncio.sleep(0)
    assert wire.told == ASKED_AT_ONCE
    assert not any(await asyncio.gather(*asking))


async def test_one_who_no_longer_waits_leaves_room_for_the_next_question() -> None:
    wire = Wire(2, by_hand=True)
    of = workers(wire)
    for _ in range(ASKED_AT_ONCE + 1):
        asking = asyncio.create_task(of[0].cancel("n1", 1))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert wire.told == ASKED_AT_ONCE + 1


async def test_an_answer_or_order_for_a_dead_worker_means_nothing_to_its_replacement() -> None:
    wire = Wire(2, by_hand=True)
    of = workers(wire)
    gone = Call(of[1])
    wire.peers[0].tell("mcp_calls.cancel", ["n1", 1, gone.ticket])
    replacement = McpCalls(wire.replace(1), lambda count: b"\1" * count)
    call = Call(replacement)
    wire.flow()
    assert call.cancelled == 0


@pytest.mark.parametrize("topic", ["mcp_calls.ask", "mcp_calls.answer", "mcp_calls.cancel"])
@pytest.mark.parametrize(
    "value", [None, [], {}, [1], ["n1", 1], [0, 0, 0, 0], [0, 1, "n1", None], ["n1", 1, "x"]]
)
async def test_messages_of_another_form_are_ignored(topic: str, value: object) -> None:
    wire = Wire(2)
    of = workers(wire)
    call = Call(of[1])
    wire.peers[0].tell(topic, value)
    assert call.cancelled == 0
    assert await of[0].cancel("n1", 1)
