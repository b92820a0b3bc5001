"""The schedules of a function and the instants at which they are due. Pure.

A schedule names minutes of local time. One that daylight saving time skips is due at the next
minute that there is, and one that it repeats is due once, at its first coming. Not here: who claims
a tick.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim

from edge.functions import Cron, Function
from edge.project_file.cron import in_numbers

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a function.

    Attributes:
        key: what it is known by, also in later deployments that leave it as it is.
        tool: whose it is, or empty for the function's own.
        target: where its runs are sent, or None while the tool's address is not known.
        timeout: milliseconds to the answer's head.
    """

    function: str
    key: str
    cron: Cron
    tool: str
    target: bytes | None
    timeout: int

    @property
    def label(self) -> str:
        """What it is called: its name, else its expression."""
        return self.cron.name or self.cron.expression


def schedules(function: Function) -> tuple[Schedule, ...]:
    """The schedules of the live deployment: the function's own, then those of its tools."""
    project = function.live.project
    held = [("", cron) for cron in project.config.cron]
    held += [(tool.name, cron) for tool in project.tools for cron in tool.cron]
    if not held:
        return ()  # as nearly always, and asked of every function whenever one has changed
    timeouts = {tool.name: tool.timeout for tool in project.tools}
    equal: Counter[str] = Counter()
    found = []
    for tool, cron in held:
        key = _key(tool, cron)
        equal[key] += 1
        found.append(
            Schedule(
                function.slug,
                key if equal[key] == 1 else f"{key}-{equal[key]}",
                cron,
                tool,
                _target(function, tool),
                timeouts.get(tool) or project.config.timeout,
            )
        )
    return tuple(found)


def _key(tool: str, cron: Cron) -> str:
    """Without what says how it is run: a longer grace does not make another schedule."""
    parts = (tool, cron.expression, cron.timezone, cron.name or "", cron.bot_id or "")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _target(function: Function, tool: str) -> bytes | None:
    if not tool:
        return b"/"
    route = next((route for route in function.live.routes if route.tool == tool), None)
    if route is None or route.template.parameters or route.template.text == "*":
        return None
    return route.template.text.encode()


def ticks(expression: str, zone: tzinfo, after: float) -> Iterator[int]:
    """The instants after a time at which an expression is due, in their order.

    Args:
        expression: one that `wrong_expression` finds nothing wrong with.
        after: Unix time, seconds; so are the instants.
    """
    local = datetime.fromtimestamp(math.floor(after), zone).replace(tzinfo=None)
    last = after
    for minute in CronSim(in_numbers(expression), local):
        instant = _instant(minute, zone)
        if instant > last:  # skipped minutes come together, and repeated ones have been
            last = instant
            yield instant


def _instant(local: datetime, zone: tzinfo) -> int:
    """When a local minute comes, or the next that does; of two, the first (PEP 495)."""
    while not _exists(local, zone):
        local += _MINUTE
    return int(local.replace(tzinfo=zone, fold=0).timestamp())


def _exists(local: datetime, zone: tzinfo) -> bool:
    there = local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    return there.replace(tzinfo=None) == local
