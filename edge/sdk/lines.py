"""Lines that a function writes to its log: one JSON object each, at once."""

import json
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Level = Literal["debug", "info", "warn", "error"]

_WRITING = threading.Lock()


def line(
    args: tuple[Any, ...], level: Level, about: Mapping[str, str], fields: Mapping[str, Any]
) -> str:
    """A line as the platform writes them (documentation, logs), without its end.

    Args:
        args: what was said; fields come last among them, as one object.
        about: `requestId` and `function`.
        fields: what else was said, by name.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = [*args, dict(fields)] if fields else [*args]
    whole = {**about, "timestamp": now, "level": level, "args": said}
    return json.dumps(whole, ensure_ascii=False, default=_worded)


def write(text: str) -> None:
    """Write a line to standard output, whole, before anything else is done."""
    with _WRITING:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _worded(value: Any) -> Any:
    """What JSON has no form for."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
