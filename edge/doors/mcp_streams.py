"""Streams of changes that are open in this worker: what each is told, and when it ends.

A stream is a record, judged again with every other when the world changes; whoever holds its
connection gives it somewhere to write. Not here: what is written (`mcp_bridge.watching`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from edge.doors.asked import Asked
from edge.errors import EdgeError
from edge.gate.decisions import Bridge, Decision, ToMcp
from edge.state.session_streams import SessionStreams
from edge.state.streams import OpenStream, OpenStreams
from mcp_bridge.calls import COMMENT_EVERY
from mcp_bridge.event_stream import COMMENT
from mcp_bridge.watching import Watch

Digest = Callable[[Asked, ToMcp], Awaitable[str]]
"""Gives what changes when what a caller sees of the tools does; raises EdgeError."""


class Out(Protocol):
    """Where a stream goes."""

    def write(self, data: bytes) -> None:
        """Send this as soon as the client takes it; never waits."""
        ...

    def end_in_order(self, final: bytes) -> None:
        """Send this, and end the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Streams:
    """Opens streams; one instance per worker."""

    every: OpenStreams
    of_sessions: SessionStreams

    @contextmanager
    def open(
        self, asked: Asked, decision: ToMcp, watch: Watch, out: Out, digest: Digest
    ) -> Iterator[None]:
        """Keep a stream open for as long as the block lasts."""
        stream = Stream(self, asked, decision, watch, out, digest)
        stream.begin()
        try:
            yield
        finally:
            stream.leave()


class Stream:
    """One stream; `begin` and `leave` it."""

    __slots__ = ("_asked", "_digest", "_out", "_over", "_record", "_streams", "_watch")

    def __init__(
        self,
        streams: Streams,
        asked: Asked,
        decision: ToMcp,
        watch: Watch,
        out: Out,
        digest: Digest,
    ) -> None:
        self._streams = streams
        self._asked = asked
        self._watch = watch
        self._out = out
        self._digest = digest
        self._over = False
        self._record = OpenStream(asked.head, decision.until, self._end, self._judged)

    def begin(self) -> None:
        """The head of the answer is out: from now on the stream is told of changes."""
        self._out.write(self._watch.first)
        self._streams.every.add(self._record)
        if self._watch.session is not None:
            self._streams.of_sessions.take(self._watch.session, self._end)

    def leave(self) -> None:
        """It is over."""
        self._over = True
        self._streams.every.remove(self._record)
        if self._watch.session is not None:
            self._streams.of_sessions.leave(self._watch.session, self._end)

    async def _judged(self, decision: Decision) -> None:
        """The world has changed, and the gate lets the stream stay."""
        if not isinstance(decision, ToMcp) or (isinstance(decision, Bridge) and decision.passes):
            self._end()  # the tools are no longer told from here
            return
        try:
            told = self._watch.changed(await self._digest(self._asked, decision))
        except EdgeError:
            return  # the tools cannot be read now; the next change asks again
        if told and not self._over:
            self._out.write(told)

    def _end(self) -> None:
        self._over = True
        self._out.end_in_order(self._watch.final)


class AsgiStream:
    """A stream over ASGI: what is to be written waits for the client here, and is little."""

    def __init__(self) -> None:
        self._waiting = b""
        self._ended = False
        self._wake = asyncio.Event()

    def write(self, data: bytes) -> None:
        """See Out."""
        self._waiting += data
        self._wake.set()

    def end_in_order(self, final: bytes) -> None:
        """See Out."""
        self._ended = True
        self.write(final)

    async def run(self, piece: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what is written, and a comment now and then, until the stream is ended."""
        while not self._ended or self._waiting:
            try:
                async with asyncio.timeout(COMMENT_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                self._waiting += COMMENT
            self._wake.clear()
            waiting, self._waiting = self._waiting, b""
            if waiting:
                await piece(waiting)
