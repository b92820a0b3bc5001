"""Times as the operations speak of them, and how they are written. Pure."""

from datetime import UTC, datetime
from typing import Annotated

Time = Annotated[float, "time"]
"""Unix time in seconds; RFC 3339 in JSON."""


def rfc3339(moment: float) -> str:
    """Unix time as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
