"""A function's failure as text for a model: what helps it, and never a stack trace. Pure."""

import re
from http import HTTPStatus
from typing import Any

from mcp_bridge.jsontext import JSONError, dump, parse

MAX_TEXT = 16 * 1024
"""Characters of a failure's text."""

_TRACES = re.compile(
    r"Traceback \(most recent call last\)"
    r"|^[^\S\n]+File \".+\", line \d+"
    r"|^[^\S\n]+at [^\n]{1,500}?[(:]\S{0,500}?:\d"
    r"|Exception in thread \""
    r"|^Caused by: "
    r"|goroutine \d+ \["
    r"|^stack backtrace:"
    r"|^thread '.+' panicked at"
    r"|^#\d+ .+\.php\(\d+\)"
    r"|\.rb:\d+:in ",
    re.MULTILINE,
)
"""Texts have megabytes: nothing here matches over lines, or shares much between two repetitions."""

_TRACE_KEYS = frozenset(
    {"stack", "stacktrace", "stack_trace", "trace", "traceback", "backtrace", "exception"}
)
_RENAMED = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Phrases of RFC 9110 for which `HTTPStatus` has older ones before Python 3.13."""


def failure_text(status: int, essence: str, body: str | None, location: str | None) -> str:
    """What a model reads of an answer that is no success.

    Args:
        essence: the media type of the body, in lower case.
        body: its text, or None if it is none.
        location: where a redirect points to; redirects are not followed.
    """
    head = f"HTTP {status} {phrase(status)}".rstrip()
    if location:
        head = f"{head}: the function redirects to {location[:500]}, which is not followed"
    said = "" if essence == "text/html" or body is None else detail(body)
    text = f"{head}\n{said}" if said else head
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110 §15), or nothing for one that nobody registered."""
    if status in _RENAMED:
        return _RENAMED[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def detail(body: str) -> str:
    """What a failure says of itself, without stack traces; empty if it says nothing else."""
    try:
        value = parse(body.encode("utf-8", "replace"))
    except JSONError:
        return "" if _TRACES.search(body) else body.strip()
    cleaned = _without_traces(value)
    return dump(cleaned).decode() if cleaned != value else body.strip()


def _without_traces(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_traces(item)
            for key, item in value.items()
            if key.lower() not in _TRACE_KEYS
        }
    if isinstance(value, list):
        return [_without_traces(item) for item in value]
    if isinstance(value, str) and _TRACES.search(value):
        return "(stack trace left out)"
    return value
