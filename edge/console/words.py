"""Times, durations and sizes as people read them, and a state's colour. Pure."""

import json
from datetime import UTC, datetime
from typing import Any

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")

GOOD = frozenset({"up", "ok", "live", "running", "upstream"})
BAD = frozenset({"failed", "error", "backing off", "silent"})


def ago(moment: float | None, now: float) -> str:
    """How long ago, or in how long; `never` for None."""
    if moment is None:
        return "never"
    seconds = now - moment
    if abs(seconds) < 1:
        return "now"
    told = span(abs(seconds))
    return f"{told} ago" if seconds > 0 else f"in {told}"


def span(seconds: float) -> str:
    """A time in its largest unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "0 s"


def lasted(seconds: float | None) -> str:
    """A duration to three digits."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s"


def number(value: float | None) -> str:
    """A count or rate, short."""
    if value is None:
        return "–"
    if value == int(value):
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def size(count: float | None) -> str:
    """Bytes, in a unit that leaves few digits."""
    if count is None:
        return "–"
    for unit in _SIZES:
        if count < 1024 or unit == _SIZES[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


def moment(unix: float | None) -> str:
    """A time in UTC, to the second."""
    if unix is None:
        return "–"
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(text: object) -> str:
    """The time of day of an RFC 3339 time."""
    whole = str(text)
    return whole[11:23] if len(whole) >= 23 else whole


def tone(state: str) -> str:
    """How a state is shown: `good`, `bad` or `calm`."""
    if state in GOOD:
        return "good"
    return "bad" if state in BAD else "calm"


def status_tone(status: int, whole: bool = True) -> str:
    """The same of an HTTP status; 0 is none."""
    if not status or status >= 500 or not whole:
        return "bad"
    return "warn" if status >= 400 else "good"


def pretty(value: Any) -> str:
    """JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def dense(value: Any) -> str:
    """JSON on one line; text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
