"""What a handler may return beside plain values: answers with status and header, events. Pure."""

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LINE = re.compile(r"[^\r\n\0]*")

Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Pieces = Iterable[bytes | str] | AsyncIterable[bytes | str]


@dataclass(frozen=True, slots=True)
class Json:
    """A body that becomes JSON; where the function declares an output, a success is held to it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer.

    Attributes:
        fields: name and value of each header field, in order.
        content: what becomes the body; pieces are sent as they come.
    """

    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()
    content: Json | bytes | Pieces = b""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream (HTML §9.2); without a name it is a plain message.

    Attributes:
        data: text as it is; anything else becomes JSON.
    """

    data: Any
    name: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError: a name or id that would break out of its line."""
        for text in (self.name, self.id):
            if not _LINE.fullmatch(text):
                raise ValueError(f"{text!r} cannot be the name or id of an event")


@dataclass(frozen=True, slots=True)
class ResponseBuilder:
    """Makes answers step by step; never changes, each step returns a new one."""

    _status: int = 200
    _fields: tuple[tuple[str, str], ...] = ()

    def status(self, code: int) -> "ResponseBuilder":
        """With this status.

        Raises:
            ValueError: it is no status of a final answer, 200 to 599.
        """
        if not 200 <= code <= 599:
            raise ValueError(f"{code} is not the status of an answer; write 200 to 599")
        return replace(self, _status=code)

    def header(self, name: str, value: str) -> "ResponseBuilder":
        """With one header field more; the same name may be added several times.

        Raises:
            ValueError: it cannot be a header field (RFC 9110 §5.1, §5.5).
        """
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"{name!r}: {value!r} is not a header field")
        return replace(self, _fields=(*self._fields, (name, value)))

    def headers(self, init: Fields) -> "ResponseBuilder":
        """With several header fields more, from a mapping or pairs.

        Raises:
            ValueError: as `header`.
        """
        built = self
        for name, value in init.items() if isinstance(init, Mapping) else init:
            built = built.header(name, value)
        return built

    def json(self, body: Any) -> Response:
        """The answer, with JSON as its body."""
        return self._made(Json(body), "application/json")

    def text(self, body: str, content_type: str = "text/plain; charset=utf-8") -> Response:
        """The answer, with text as its body, in UTF-8."""
        return self._made(body.encode(), content_type)

    def body(self, content: bytes, content_type: str = "application/octet-stream") -> Response:
        """The answer, with bytes as its body."""
        return self._made(content, content_type)

    def stream(self, pieces: Pieces, content_type: str = "application/octet-stream") -> Response:
        """The answer, whose body is sent piece by piece as they come."""
        return self._made(pieces, content_type)

    def empty(self) -> Response:
        """The answer, without a body; 204 unless a status was set."""
        status = 204 if self._status == 200 else self._status
        return Response(status, self._fields)

    def event(self, data: Any, name: str = "", id: str = "") -> Event:  # noqa: A002
        """An event to yield.

        Raises:
            ValueError: a name or id with a line end.
        """
        return Event(data, name, id)

    def progress(self, progress: float, total: float | None = None, message: str = "") -> Event:
        """An event to yield that says how far the work is; agents are told so."""
        said: dict[str, Any] = {"progress": progress}
        if total is not None:
            said["total"] = total
        if message:
            said["message"] = message
        return Event(said, "progress")

    def result(self, value: Any) -> Event:
        """The event to yield last: what the stream comes to."""
        return Event(value, RESULT)

    def _made(self, content: Json | bytes | Pieces, content_type: str) -> Response:
        named = any(name.lower() == "content-type" for name, _ in self._fields)
        fields = self._fields if named else (("Content-Type", content_type), *self._fields)
        return Response(self._status, fields, content)


RESULT: Final = "result"
"""The name of the event that holds a stream's result."""

response: Final = ResponseBuilder()
"""Where every answer starts: `response.status(201).json({...})`."""
