"""Durations on the command line: `90d`, `24h`, `30m`, `45s`. Pure."""

from typing import Any

import click

from edge.settings import seconds


class Duration(click.ParamType[float]):
    """Seconds, from a number with a unit."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds; a usage error says what to write."""
        try:
            return float(seconds(0).parse(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration; write such as 90d, 24h, 30m.", param, ctx)


def shown(duration: float) -> str:
    """A duration in seconds as one would type it: the largest unit that fits exactly."""
    whole = round(duration)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"
