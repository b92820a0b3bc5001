"""How a process that has ended is spoken of."""

import signal
from contextlib import suppress


def signal_name(number: int) -> str:
    """A signal's name, or `signal 35` for those that have none (signal(7): real-time ones)."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
