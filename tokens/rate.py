"""How often something may be done: a count in each second, minute, hour or day. Pure."""

import re
from dataclasses import dataclass, field

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of each unit that a rate may be written with."""

_RATE = re.compile(r"([1-9][0-9]{0,8})/([smhd])")
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many times in so many seconds; all of them may come at once.

    Attributes:
        interval: nanoseconds in which one more is earned, rounded up: never more than the rate.
        window: nanoseconds in which all of them are.
    """

    count: int
    seconds: int
    interval: int = field(init=False, repr=False, compare=False)
    window: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Divide once: rates are applied on every request."""
        interval = -(-self.seconds * _NANOSECONDS // self.count)
        object.__setattr__(self, "interval", interval)
        object.__setattr__(self, "window", interval * self.count)

    def __str__(self) -> str:
        unit = next(unit for unit, seconds in UNITS.items() if seconds == self.seconds)
        return f"{self.count}/{unit}"


def parse_rate(text: str) -> Rate:
    """A rate from what a user wrote; raises ValueError saying what to write."""
    parts = _RATE.fullmatch(text)
    if parts is None:
        raise ValueError("is not a rate; write a count and a unit (s, m, h, d): 100/m")
    return Rate(int(parts[1]), UNITS[parts[2]])
