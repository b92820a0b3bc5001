"""One request and its answer, between a connection and the app.

The app finds it as `scope["extensions"]["jelou.connection"]`. Not here: HTTP; the connection says
how an answer is broken off and what a taken piece is worth.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]

HELD = 64 * 1024
"""Bytes of a body that wait for the app before an HTTP/1.1 connection stops reading."""

SMALL = 4 * 1024
"""Bytes below which a piece of a body that waits takes the next one in."""


async def _nothing() -> None:
    """What happens where a connection has nothing to do before the app waits."""


def _ignore(_: int) -> None:
    """What happens where nobody counts what the app takes."""


def _nobody() -> None:
    """What happens where nobody asks whether the client leaves."""


class Exchange:
    """What the app receives, and what it may ask of the connection beyond ASGI.

    Attributes:
        target: the raw request target as it was on the wire (RFC 9112 §3.2; `:path` later).
        reason: the answer's reason phrase (RFC 9112 §4), set before it begins; empty: the usual.
        task: the app's task.
        complete: whether the whole request has arrived, taken or not.
        aborted: whether the answer was broken off.
    """

    def __init__(
        self,
        target: bytes,
        *,
        bounded: bool,
        abort: Callable[[], None],
        on_taken: Callable[[int], None] = _ignore,
        on_wait: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.target = target
        self.reason = b""
        self.task: asyncio.Task[None] | None = None
        self.complete = False
        self.aborted = False
        self._abort = abort
        self._on_taken = on_taken
        self._on_wait = on_wait
        self._bounded = bounded
        self._messages: deque[tuple[Message, int]] = deque()
        self._held = 0
        self._ignores = False
        self._left = False
        self._on_left: Callable[[], None] = _nobody
        self._last: Message | None = None
        self._gone = asyncio.Event()
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def gone(self) -> bool:
        """Whether nobody waits for more of the answer: the client left, or the answer is over."""
        return self._gone.is_set()

    async def wait_gone(self) -> None:
        """Wait until nobody waits for more of the answer; receives nothing."""
        await self._gone.wait()

    def when_left(self, call: Callable[[], None]) -> None:
        """Have this called if the client leaves, or has left, before it has the whole answer."""
        self._on_left = call
        if self._left:
            call()

    def abort(self) -> None:
        """Break the answer off so that it cannot look whole.

        HTTP/1.1: what was written is sent, then the connection ends before the last chunk or
        length; a close-delimited answer ends in a TCP reset. HTTP/2 and
        HTTP/3: the stream is reset (INTERNAL_ERROR), the others of the connection go on.
        """
        if not self.aborted:
            self.aborted = True
            self._abort()

    async def receive(self) -> Message:
        """ASGI's receive. After the last message it is given again, never waited for."""
        while not self._messages:
            if self._last is not None:
                return self._last
            self._news.clear()
            await self._on_wait()
            if not self._messages and self._last is None:
                await self._news.wait()
        return self._pop()

    def take(self) -> Message | None:
        """What `receive` would give without waiting, None if it would wait."""
        return self._pop() if self._messages else self._last

    def _pop(self) -> Message:
        message, size = self._messages.popleft()
        self._release(size)
        return message

    def ignore_rest(self) -> None:
        """Drop what is there and what still comes of the body, so that nobody waits for it."""
        self._ignores = True
        self._messages.clear()
        self._release(self._held)

    async def put(self, message: Message, size: int = 0) -> None:
        """Hand a message over; a bounded exchange waits while too much is held.

        Once the exchange has ended, messages are dropped: nobody will ever take them.
        """
        if self._ignores or self._last is not None:
            self._on_taken(size)
            return
        if not self._joined(message, size):
            self._messages.append((message, size))
        self._held += size
        self._news.set()
        if self._bounded:
            await self.wait_for_room()

    def _joined(self, message: Message, size: int) -> bool:
        """Whether a small piece of a body could be put to the one before it.

        A message takes hundreds of bytes, however small: so many of one byte are not kept.
        """
        if not self._messages or not message.get("more_body"):
            return False
        before, former = self._messages[-1]
        if not before.get("more_body") or len(before["body"]) >= SMALL:
            return False
        before["body"] += message["body"]
        self._messages[-1] = before, former + size
        return True

    async def wait_for_room(self) -> None:
        """Wait while the app has more before it than `HELD` bytes."""
        while self._held > HELD and self._last is None:
            self._room.clear()
            await self._room.wait()

    def end(self, last: Message, *, left: bool = False) -> None:
        """No more will come: `last` is what the app receives from now on.

        Args:
            left: whether the client has left before it had the whole answer.
        """
        if self._last is None:
            self._last = last
            self._gone.set()
            self._news.set()
            self._room.set()
            self._left = left
            if left:
                self._on_left()

    def discard(self) -> None:
        """The app has ended: what it did not take is dropped."""
        self.end({"type": "http.disconnect"})
        self.ignore_rest()

    def _release(self, size: int) -> None:
        self._held -= size
        if self._held <= HELD:
            self._room.set()
        if size:
            self._on_taken(size)
