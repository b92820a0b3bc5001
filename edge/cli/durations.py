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
