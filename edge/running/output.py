"""What a function's processes write: handed on as it comes, and its end kept for who asks why."""

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol

from tokens.secret import redact

Stream = Literal["stdout", "stderr", "edge"]
"""Where it was written; `edge` is what the edge itself has to say of a process."""

KEPT_BYTES = 16 * 1024
KEPT_LINES = 20
LONGEST_KEPT = 500
"""Characters of a line that is kept."""


class Output(Protocol):
    """Where the output of one function goes; quick, never waits, never raises."""

    def write(self, stream: Stream, data: bytes, instance: str, deployment: str) -> None:
        """Take what came, cut anywhere."""
        ...

    def end(self, instance: str) -> None:
        """Nothing more comes from an instance."""
        ...


class Nowhere:
    """An `Output` that keeps nothing."""

    def write(self, stream: Stream, data: bytes, instance: str, deployment: str) -> None:
        """See `Output.write`."""
        del stream, data, instance, deployment

    def end(self, instance: str) -> None:
        """See `Output.end`."""
        del instance


class Tail:
    """The last output of one process, both streams as they came."""

    def __init__(self) -> None:
        self._kept = b""

    def add(self, data: bytes) -> None:
        """Keep the end of what is there with this behind."""
        self._kept = (self._kept + data[-KEPT_BYTES:])[-KEPT_BYTES:]

    def lines(self) -> tuple[str, ...]:
        """The last `KEPT_LINES` lines, without runtime tokens and what no terminal should see."""
        lines = redact(self._kept.decode(errors="replace")).splitlines()
        return tuple(_plain(line[:LONGEST_KEPT]) for line in lines if line.strip())[-KEPT_LINES:]


def _plain(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


class Pipe(asyncio.Protocol):
    """Reads one of a process's streams to its end."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody writes any more, or it is closed on this side."""
        del exc
        self.ended.set()
