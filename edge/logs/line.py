"""One line of a function's log as it is kept: JSON, whatever the function has written. Pure.

What `ctx.log` writes (`requestId`, `function`, `company`, `timestamp`, `args`) is kept with all its
members; everything else becomes a `message`. Who wrote a line is said by the edge alone: a function
that prints JSON cannot name another one, and no character of it can begin a line of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from tokens.secret import redact

LONGEST = 16 * 1024
"""Bytes of a line that are kept."""

MARGIN = 1024
"""Bytes behind that are looked at, so that no half of a token is left where a line is cut."""

SUFFIX = ".jsonl"
"""Of the files that hold lines; before it stands a number, the newest file's is the highest."""

_EARLIEST, _LATEST = 300.0, 1.0
"""Seconds by which the time that a function says may differ from the edge's."""

_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
    "critical": "error",
    "fatal": "error",
}
_LEVEL = re.compile(r"[\[(]?([A-Za-z]{4,8})\b")


@dataclass(frozen=True, slots=True)
class Source:
    """Who wrote a line.

    Attributes:
        function: the slug.
        instance: the process.
        stream: `stdout`, `stderr`, or `edge` for what the edge itself has to say.
    """

    function: str
    deployment: str
    instance: str
    stream: str


def written(raw: bytes, source: Source, now: float, more: int = 0) -> bytes:
    """A line as it is kept, its end included.

    Args:
        raw: what was written, without its end; up to `LONGEST + MARGIN` bytes of it.
        now: Unix time, seconds.
        more: how many bytes of the line are not in `raw`.
    """
    said = _from_context(raw, now) if more == 0 and len(raw) <= LONGEST else None
    return _dumped((said or _plain(raw, source.stream, now, more)) | _who(source))


def notice(text: str, source: Source, now: float) -> bytes:
    """What the edge itself has to say of a function's output."""
    return _dumped({"timestamp": timestamp(now), "level": "warn", "message": text} | _who(source))


def read(line: bytes) -> dict[str, Any] | None:
    """What a kept line says; None for one that was cut by a crash."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("timestamp"), str) else None


def timestamp(now: float) -> str:
    """Unix time as every line has it: RFC 3339 in UTC, to the millisecond; sorted as text."""
    text = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _who(source: Source) -> dict[str, str]:
    return {
        "function": source.function,
        "deployment": source.deployment,
        "instance": source.instance,
        "stream": source.stream,
    }


def _dumped(line: Mapping[str, Any]) -> bytes:
    """Redacted last, since JSON has several spellings of a token, of which this leaves one."""
    return redact(orjson.dumps(line).decode()).encode() + b"\n"


def _from_context(raw: bytes, now: float) -> dict[str, Any] | None:
    """A line of `ctx.log`, or None."""
    if not (raw.startswith(b"{") and b'"args"' in raw and b'"timestamp"' in raw):
        return None
    try:
        said = orjson.loads(raw)
        orjson.dumps(said)  # what is nested deeper than can be written stays text
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if not isinstance(said.get("args"), list) or not isinstance(said.get("timestamp"), str):
        return None
    level = _LEVELS.get(str(said.get("level")).lower(), "info")
    return {**said, "timestamp": timestamp(_believed(said["timestamp"], now)), "level": level}


def _believed(said: str, now: float) -> float:
    """The time that a function says if it can be true, else the edge's."""
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return now
    if moment.tzinfo is None:
        return now
    seconds = moment.timestamp()
    return seconds if now - _EARLIEST <= seconds <= now + _LATEST else now


def _plain(raw: bytes, stream: str, now: float, more: int) -> dict[str, Any]:
    text = raw.decode("utf-8", "replace").rstrip("\r")
    line = {"timestamp": timestamp(now), "level": _level(text, stream)}
    if len(raw) <= LONGEST and more == 0:
        return line | {"message": text}
    text = redact(text)
    # Half a token may stand at the end of what is there; it is within the margin, which goes.
    text = text[:-MARGIN] if more else text
    return line | {"message": text[:LONGEST], "cut": len(raw) + more - LONGEST}


def _level(text: str, stream: str) -> str:
    """What a line on stderr says of itself first, as many loggers do; else by its stream."""
    if stream != "stderr":
        return "warn" if stream == "edge" else "info"
    found = _LEVEL.match(text)
    return _LEVELS.get(found[1].lower(), "error") if found else "error"
