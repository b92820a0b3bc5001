"""What the events of a streaming function mean for the call: progress, and the result. Pure.

How bytes become events is `events`'; how a result is worded for a revision, `results`'.
"""

import math
from dataclasses import dataclass
from typing import Any

from mcp_bridge.events import Event, EventsTooLarge
from mcp_bridge.failures import MAX_TEXT, detail
from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.tools import StreamMode

MAX_MESSAGE = 1_000
"""Characters of a progress message."""

_DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call has come (MCP, basic/utilities/progress): `progress` rises with each one."""

    progress: float
    total: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stream came to.

    Attributes:
        body: the result as UTF-8, or what went wrong, without stack traces.
        is_json: whether the body is JSON.
        failed: the function sent an event named `error`.
    """

    body: bytes
    is_json: bool
    failed: bool = False


class StreamResult:
    """Takes the events of one call as they come; keeps no more than its result needs.

    `last`: the result is the event named `result`, else the last that is neither empty nor
    `[DONE]`. `concat`: else the text of all events, joined. An event named `error` fails the call.
    """

    def __init__(self, mode: StreamMode, limit: int) -> None:
        """Args: limit: bytes of the result."""
        self._mode = mode
        self._limit = limit
        self._named: str | None = None
        self._error: str | None = None
        self._last = ""
        self._joined = bytearray()
        self._reached: float | None = None

    def take(self, event: Event) -> Progress | None:
        """Note an event; the progress to tell a caller who asked for it, or None.

        Raises:
            EventsTooLarge: the result would pass the limit.
        """
        if len(event.data.encode()) > self._limit:
            raise EventsTooLarge
        if event.name == "error" or self._error is not None:
            self._error = self._error or _said(event.data)
            return None
        if event.name == "result":
            self._named = event.data
            return None
        if event.data in ("", _DONE):
            return None
        self._keep(event)
        return self._progress(event) if self._error is None else None

    def result(self) -> Outcome:
        """What the events come to; call it when the whole body has been read."""
        if self._error is not None:
            return Outcome(self._error.encode(), is_json=False, failed=True)
        if self._named is None and self._mode == "concat":
            return Outcome(bytes(self._joined), is_json=False)
        body = (self._last if self._named is None else self._named).encode()
        return Outcome(body, is_json=_is_json(body))

    def _keep(self, event: Event) -> None:
        if self._mode == "last":
            self._last = event.data
            return
        value = _value(event.data)
        if isinstance(value, dict) and value.get("error"):
            self._error = _said(event.data)
        elif event.name != "progress":
            text = event.data if value is None else _text(value)
            self._join(text.encode())

    def _join(self, text: bytes) -> None:
        if len(self._joined) + len(text) > self._limit:
            raise EventsTooLarge
        self._joined += text

    def _progress(self, event: Event) -> Progress | None:
        """The event's own progress if it rises, else one more than what was told last."""
        reached = self._reached
        stated = _stated(event)
        message = stated.get("message")
        text = message if isinstance(message, str) else event.data
        number = _number(stated.get("progress"))
        total = _number(stated.get("total"))
        if number is None or (reached is not None and number <= reached):
            number, total = (reached or 0) + 1, None
        if reached is not None and number <= reached:
            return None  # beyond 2^53 one more is the same
        self._reached = number
        return Progress(number, total, text[:MAX_MESSAGE] or None)


def progress_frame(token: str | int, progress: Progress) -> bytes:
    """The JSON-RPC message that tells a progress; `token` is the call's `progressToken`."""
    params: dict[str, Any] = {"progressToken": token, "progress": progress.progress}
    if progress.total is not None:
        params["total"] = progress.total
    if progress.message is not None:
        params["message"] = progress.message
    return dump({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


def _stated(event: Event) -> dict[str, Any]:
    """The object in which an event states its progress; empty if it does not."""
    if event.name != "progress" and '"progress"' not in event.data:
        return {}
    value = _value(event.data)
    if isinstance(value, dict) and _number(value.get("progress")) is not None:
        return value
    return {}


def _value(data: str) -> Any:
    """The object or string that an event's text is in JSON, or None."""
    if not data.lstrip().startswith(("{", '"')):
        return None
    try:
        return parse(data.encode())
    except JSONError:
        return None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _is_json(body: bytes) -> bool:
    try:
        parse(body)
    except JSONError:
        return False
    return True


_TEXTS = (
    ("choices", 0, "delta", "content"),  # OpenAI, chat completions
    ("choices", 0, "text"),  # OpenAI, completions
    ("delta", "text"),  # Anthropic, messages
    ("message", "content"),  # Ollama, chat
    ("response",),  # Ollama, generate
    ("text",),
    ("content",),
)
"""Where streams of language models, and plain ones, keep the text of one chunk."""


def _text(value: dict[str, Any] | str) -> str:
    """The text of a chunk; nothing where there is none, as in a chunk that tells the usage."""
    if isinstance(value, str):
        return value
    kind = value.get("type")
    if isinstance(kind, str) and kind.startswith("response."):  # OpenAI, responses
        found = value.get("delta") if kind == "response.output_text.delta" else None
        return found if isinstance(found, str) else ""
    texts = (_at(value, path) for path in _TEXTS)
    return next((text for text in texts if isinstance(text, str)), "")


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _said(data: str) -> str:
    """What an error event says: its message, wherever it keeps it, else all of it."""
    value = _value(data)
    places = (("error", "message"), ("message",), ("error",), ("detail",))
    said = (_at(value, path) for path in places)
    text = detail(next((text for text in said if isinstance(text, str) and text), data))
    return text[:MAX_TEXT] or "The function reported an error and did not say which."
