"""How answers go out over HTTP/3: no more is written than the client and the network take.

What is written waits in the QUIC connection, which bounds nothing; so an app waits here while its
stream has enough there. Not here: what the bytes are (`http3_framing`), when datagrams are made
(`hypercorn_http3`).
"""

import asyncio
from collections.abc import Callable

from edge.message import Headers
from edge.server.http3_framing import Framing
from edge.server.quic_connection import Quic

WAITING = 32 * 1024
"""Bytes of an answer that wait for the client's credit while its app is made to wait."""

SLICE = 16 * 1024
"""Most bytes of one DATA frame."""


class _Answer:
    """One answer on its way.

    Attributes:
        news: set when its app may look again whether it may go on.
        ended: whether its end was said.
        still: what the client had taken when it was last looked at.
        since: loop time since when it has taken nothing of what waits.
    """

    __slots__ = ("ended", "news", "since", "still")

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.ended = False
        self.still = (0, 0)
        self.since: float | None = None


class Answers:
    """The answers of one connection."""

    def __init__(self, quic: Quic, framing: Framing, write_soon: Callable[[], None]) -> None:
        self._quic = quic
        self._framing = framing
        self._write_soon = write_soon
        self._open: dict[int, _Answer] = {}

    def begin(self, stream_id: int) -> None:
        """A request has come."""
        self._open[stream_id] = _Answer()

    def over(self, stream_id: int) -> None:
        """Nothing more is sent on a stream: nobody waits for it any more."""
        answer = self._open.pop(stream_id, None)
        if answer is not None:
            answer.news.set()

    def head(self, stream_id: int, fields: Headers) -> None:
        """Send a head; it waits for nothing, the client's credit apart."""
        if stream_id in self._open:
            self._framing.send_headers(stream_id, list(fields))
            self._write_soon()

    async def piece(self, stream_id: int, data: bytes) -> None:
        """Send a piece of a body; returns once the last of it is written."""
        for at in range(0, len(data), SLICE):
            await self._until(stream_id, self._has_room)
            if stream_id not in self._open:
                return
            self._framing.send_data(stream_id, data[at : at + SLICE], end_stream=False)
            self._write_soon()

    async def end(self, stream_id: int, trailers: Headers | None = None) -> None:
        """End an answer, as whole; returns once all of it has been sent."""
        answer = self._open.get(stream_id)
        if answer is None or answer.ended:
            return
        answer.ended = True
        if trailers is None:
            self._framing.finish(stream_id)
        else:
            self._framing.send_headers(stream_id, list(trailers), end_stream=True)
        self._write_soon()
        await self._until(stream_id, self._is_sent)

    async def arrived(self, stream_id: int) -> None:
        """Wait until the client has all that was written."""
        await self._until(stream_id, lambda each: not self._quic.waits(each))

    def look_again(self) -> None:
        """Something was sent or acknowledged: who waits may be able to go on."""
        for answer in self._open.values():
            answer.news.set()

    def unread(self, now: float, patience: float) -> list[int]:
        """The streams whose client has taken nothing of what waits for so many seconds."""
        return [
            stream_id
            for stream_id, answer in self._open.items()
            if self._stands_still(stream_id, answer, now) > patience
        ]

    def _stands_still(self, stream_id: int, answer: _Answer, now: float) -> float:
        progress = self._quic.progress(stream_id)
        if not self._quic.waits(stream_id):
            answer.since = None
        elif answer.since is None or progress != answer.still:
            answer.since = now
        answer.still = progress
        return 0.0 if answer.since is None else now - answer.since

    async def _until(self, stream_id: int, reached: Callable[[int], bool]) -> None:
        """Wait until a condition holds, or the stream is over."""
        while (answer := self._open.get(stream_id)) is not None and not reached(stream_id):
            answer.news.clear()
            await answer.news.wait()

    def _has_room(self, stream_id: int) -> bool:
        return self._quic.unsent(stream_id) < WAITING and not self._quic.crowded

    def _is_sent(self, stream_id: int) -> bool:
        return not self._quic.unsent(stream_id) and not self._quic.owes_end(stream_id)
