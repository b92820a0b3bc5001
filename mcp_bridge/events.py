"""A streaming function's answer cut into events as its bytes come. Pure.

Server-sent events, NDJSON and JSON text sequences; what they mean for a call is not known here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

StreamKind = Literal["sse", "ndjson", "json-seq"]

_KINDS: dict[str, StreamKind] = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/jsonlines": "ndjson",
    "application/json-seq": "json-seq",
}

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"

UNNAMED = "message"
"""The name of an event that was given none (HTML §9.2.6)."""


def stream_kind(essence: str) -> StreamKind | None:
    """How an answer of this media type (lower case, without parameters) is cut, if it streams."""
    return _KINDS.get(essence)


class EventsTooLarge(Exception):
    """One event, or one line, has more bytes than the limit."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        name: of SSE's `event` field, else `message`.
        data: its text; SSE's `data` lines joined by LF.
    """

    name: str
    data: str


class EventReader:
    """Reads events from the pieces of a body, wherever it is cut. Time is linear in the bytes.

    `sse`: HTML §9.2.6; `id` and `retry` are for reconnecting, which nobody does here. `ndjson`: one
    event a line, blank lines skipped. `json-seq`: RFC 7464. Bytes that are not UTF-8 become U+FFFD.
    """

    def __init__(self, kind: StreamKind, limit_bytes: int) -> None:
        """Args: limit_bytes: of one event, and of one line."""
        self._limit = limit_bytes
        self._split: Callable[[bytes], list[bytes]] = {
            "sse": self._lines,
            "ndjson": lambda piece: piece.split(b"\n"),
            "json-seq": lambda piece: piece.split(b"\x1e"),
        }[kind]
        self._is_sse = kind == "sse"
        self._partial = bytearray()
        self._after_cr = False
        self._started = False
        self._name = b""
        self._data = bytearray()

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes.

        Raises:
            EventsTooLarge: nothing more can be read then.
        """
        *whole, rest = self._split(piece)
        events = [event for part in whole if (event := self._complete(part)) is not None]
        self._append(rest)
        return events

    def end(self) -> list[Event]:
        """The events that the end of the body completes.

        Call it only where the body is whole. An SSE event without its blank line is dropped, as
        HTML §9.2.6 has it; the last line of NDJSON needs no line end.
        """
        last = None if self._is_sse else self._complete(b"")
        return [] if last is None else [last]

    def _complete(self, part: bytes) -> Event | None:
        """Take a part whose end has been seen."""
        self._append(part)
        whole = bytes(self._partial)
        self._partial.clear()
        if not self._started:
            self._started = True
            whole = whole.removeprefix(_BOM)
        return self._field(whole) if self._is_sse else _record(whole)

    def _append(self, part: bytes) -> None:
        if len(self._partial) + len(part) > self._limit:
            raise EventsTooLarge
        self._partial += part

    def _lines(self, piece: bytes) -> list[bytes]:
        """Cut at CR, LF and CRLF; a CRLF whose halves come apart is one line end."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if piece:
            self._after_cr = piece.endswith(b"\r")
        return _LINE_END.split(piece)

    def _field(self, line: bytes) -> Event | None:
        """Take one line of an event stream; a line that starts with a colon is a comment."""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            if len(self._data) + len(value) > self._limit:
                raise EventsTooLarge
            self._data += value + b"\n"
        elif name == b"event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, bytes(self._data)
        self._name = b""
        self._data.clear()
        return Event(_text(name) or UNNAMED, _text(data[:-1])) if data else None


def _record(record: bytes) -> Event | None:
    text = _text(record).strip(" \t\r\n")
    return Event(UNNAMED, text) if text else None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
