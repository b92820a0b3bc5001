"""The generic cell rate algorithm (ITU-T I.371, appendix A): one number for each limit. Pure.

The number is the time at which all that was taken will have been earned, its theoretical arrival
time. All integers are nanoseconds of one clock.
"""

from tokens.rate import Rate

_NANOSECONDS = 1_000_000_000


def standing(earned: int, now: int, rate: Rate) -> int:
    """What is remembered, as far as it counts: what was earned is no credit beyond the window.

    Nobody can owe more than a window, so a clock that was set back makes nobody wait longer, as
    long as this is what is remembered from then on.
    """
    return min(max(earned, now), now + rate.window)


def wait(standing: int, now: int, rate: Rate) -> int:
    """Until one more may be taken; zero or less if it may be now, and `standing` grows by it."""
    return standing + rate.interval - now - rate.window


def left(standing: int, now: int, rate: Rate) -> int:
    """How many may be taken at once."""
    return (now + rate.window - standing) // rate.interval


def seconds(nanoseconds: int) -> int:
    """Whole seconds, rounded up, for a client that is told to wait."""
    return -(-nanoseconds // _NANOSECONDS)
