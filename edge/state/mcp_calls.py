"""The MCP calls of handshake sessions that are in flight, to be cancelled by their JSON-RPC id.

A session's calls may be in any worker, and some clients give all of them one id: a cancellation
counts over all workers, and is carried out only if it can mean a single call.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha512
from itertools import islice

from edge.state.peers import JSON, Peers
from mcp_bridge.jsonrpc import RequestId, is_id

LONGEST_WAIT = 0.2
"""Seconds in which every worker must have answered, else nothing is cancelled."""

ASKED_AT_ONCE = 64
"""Cancellations for which this worker waits for the others' answers; any more are ignored."""

ASKED_AT_ONCE_PER_SESSION = 4

LONGEST_ID = 64
"""Characters of an id that is kept as it is; a longer one by its SHA-512, 128 hex digits."""

_ASK, _ANSWER, _CANCEL = "mcp_calls.ask", "mcp_calls.answer", "mcp_calls.cancel"

Cancel = Callable[[], None]
_Key = tuple[str, RequestId]


@dataclass(slots=True)
class _Question:
    """Who has calls of that id?

    Attributes:
        waiting: the slots that have not answered.
        found: slot and ticket of the calls, two at most per worker.
    """

    nonce: str
    waiting: set[int]
    found: list[tuple[int, int]]
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class McpCalls:
    """The calls in this worker, and the way to those in the others."""

    def __init__(self, peers: Peers, random: Callable[[int], bytes]) -> None:
        """Args: random: returns that many random bytes."""
        self._peers = peers
        self._calls: dict[_Key, dict[int, Cancel]] = {}
        self._questions: dict[int, _Question] = {}
        # Not from 0: what was told to a worker may reach its replacement.
        self._last = int.from_bytes(random(6))
        peers.hear(_ASK, self._on_ask)
        peers.hear(_ANSWER, self._on_answer)
        peers.hear(_CANCEL, self._on_cancel)

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def add(self, nonce: str, id: RequestId, cancel: Cancel) -> int:  # noqa: A002
        """A call of a session has begun; the ticket to remove it with.

        Args:
            nonce: of the session.
            cancel: ends the call; called at most once, and not after `remove`.
        """
        self._last += 1
        self._calls.setdefault(_key(nonce, id), {})[self._last] = cancel
        return self._last

    def remove(self, nonce: str, id: RequestId, ticket: int) -> None:  # noqa: A002
        """A call is over; nothing happens if it was cancelled or removed already."""
        self._take(_key(nonce, id), ticket)

    async def cancel(self, nonce: str, id: JSON) -> bool:  # noqa: A002
        """Cancel the call that a `notifications/cancelled` of a session names.

        Args:
            id: its `requestId`, whatever that is.

        Returns:
            Whether it was: not if there is none or more than one of that id over all workers, if a
            worker does not say so within `LONGEST_WAIT` seconds, or if too many are being asked.
        """
        if not is_id(id):
            return False
        key = _key(nonce, id)
        question = _Question(nonce, set(self._peers.others), self._found(key))
        if len(question.found) > 1 or not await self._answered(question, key):
            return False
        match question.found:
            case [(self._peers.slot, ticket)]:
                return self._carry_out(key, ticket)
            case [(slot, ticket)]:
                self._peers.tell(_CANCEL, [*key, ticket], slot)
                return True
        return False

    async def _answered(self, question: _Question, key: _Key) -> bool:
        """Ask the others; whether all have answered, and may have one call between them."""
        if not question.waiting:
            return True
        if not self._may_ask(question.nonce):
            return False
        self._last += 1
        number = self._last
        self._questions[number] = question
        try:
            self._peers.tell(_ASK, [self._peers.slot, number, *key])
            async with asyncio.timeout(LONGEST_WAIT):
                await question.answered.wait()
        except TimeoutError:
            return False
        finally:
            del self._questions[number]
        return not question.waiting

    def _may_ask(self, nonce: str) -> bool:
        of_session = sum(question.nonce == nonce for question in self._questions.values())
        return of_session < ASKED_AT_ONCE_PER_SESSION and len(self._questions) < ASKED_AT_ONCE

    def _on_ask(self, value: JSON) -> None:
        match value:
            case [int(slot), int(number), str(nonce), (str() | int()) as id]:
                tickets = [ticket for _, ticket in self._found((nonce, id))]
                self._peers.tell(_ANSWER, [number, self._peers.slot, tickets], slot)

    def _on_answer(self, value: JSON) -> None:
        match value:
            case [int(number), int(slot), [*tickets]] if number in self._questions:
                question = self._questions[number]
                if slot in question.waiting:
                    question.waiting.remove(slot)
                    question.found += [(slot, ticket) for ticket in tickets]
                if not question.waiting or len(question.found) > 1:
                    question.answered.set()

    def _on_cancel(self, value: JSON) -> None:
        match value:
            case [str(nonce), (str() | int()) as id, int(ticket)]:
                self._carry_out((nonce, id), ticket)

    def _found(self, key: _Key) -> list[tuple[int, int]]:
        """Slot and ticket of the calls here; of two, if there are more."""
        return [(self._peers.slot, ticket) for ticket in islice(self._calls.get(key, ()), 2)]

    def _carry_out(self, key: _Key, ticket: int) -> bool:
        cancel = self._take(key, ticket)
        if cancel is None:
            return False
        cancel()
        return True

    def _take(self, key: _Key, ticket: int) -> Cancel | None:
        calls = self._calls.get(key)
        if calls is None:
            return None
        cancel = calls.pop(ticket, None)
        if not calls:
            del self._calls[key]
        return cancel


def _key(nonce: str, id: RequestId) -> _Key:  # noqa: A002
    """What a call is kept by. A long id would not fit a message; no short one equals its digest."""
    if type(id) is str and len(id) > LONGEST_ID:
        return nonce, sha512(id.encode("utf-8", "surrogatepass")).hexdigest()
    return nonce, id
