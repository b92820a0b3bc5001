"""What the edge says of itself on stderr, one JSON line each, with nothing secret in it."""

import sys
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any

import orjson

from mcp_bridge.tool_changes import ToolChanges
from tokens.secret import redact

NAMED = 50
"""Tools of a kind that one line names; the others are counted."""


_RECENT: deque[tuple[float, str, str]] = deque(maxlen=5)


def recent_errors() -> tuple[tuple[float, str, str], ...]:
    """The last errors of this process: Unix time in seconds, last line, id of the request."""
    return tuple(_RECENT)


def log_error(error: BaseException, request_id: bytes) -> None:
    """Write down an error that is the edge's own fault."""
    line = redact(f"{type(error).__name__}: {error}".splitlines()[0])
    _RECENT.append((time.time(), line, request_id.decode("latin-1")))
    _write(
        "internal_error",
        requestId=request_id.decode("latin-1"),
        error=redact("".join(traceback.format_exception(error))),
    )


def log_problem(text: str) -> None:
    """Write down what somebody who runs the edge has to mend."""
    _write("problem", text=redact(text))


def log_refreshed(function: str, deployment: str, changes: ToolChanges) -> None:
    """Write down that a document which came late or changed has made a deployment."""
    changed = [{"name": tool.name, "what": tool.what} for tool in changes.changed[:NAMED]]
    kinds = (changes.added, changes.removed, changes.changed)
    _write(
        "document_deployed",
        function=function,
        deployment=deployment,
        instructionsChanged=changes.instructions,
        toolsChanged=changed,
        toolsAdded=changes.added[:NAMED],
        toolsRemoved=changes.removed[:NAMED],
        toolsNotNamed=sum(max(0, len(kind) - NAMED) for kind in kinds),
    )


def log_secrets(function: str, reason: str) -> None:
    """Write down that secrets of a function cannot be had; it gets no field that needs one."""
    _write("secrets_unreadable", function=function, reason=redact(reason))


def _write(event: str, **members: Any) -> None:
    line = {"time": datetime.now(UTC).isoformat(), "event": event, **members}
    sys.stderr.buffer.write(orjson.dumps(line) + b"\n")
    sys.stderr.flush()
