"""What a load tool reports, whichever it was."""

from dataclasses import dataclass


class LoadError(Exception):
    """A load tool could not do its work; the text says what it printed."""


@dataclass(frozen=True, slots=True)
class Load:
    """One run of load.

    Attributes:
        requests: answered ones.
        bad: answers of another class than the scenario expects, and broken connections.
        seconds: how long it took.
        p50, p99: latency, microseconds.
    """

    requests: int
    bad: int
    seconds: float
    p50: float
    p99: float
