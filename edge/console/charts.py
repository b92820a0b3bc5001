"""Rate, latency and errors over time as lines in a box: what to draw, in words of SVG. Pure.

A chart's box is 1000 wide and 100 high and is stretched to where it stands, so its labels are text
beside it. Time runs to the right and ends now.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.observe.series import EVERY, KEPT, Counted, Sample
from edge.observe.tally import BOUNDS

WIDTH, HEIGHT = 1000.0, 100.0
STEP = 300.0
"""Seconds of one row of the table that says the same."""

SHORT = 900.0
"""Seconds that are drawn while there is no more to draw; an hour then."""

LEAST = 1.0
"""Requests a second at the upper edge at least; of durations it is a thousandth."""

Points = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: what it is.
        path: of SVG (SVG 2 §9.3), pieces where there is something.
        area: the same, closed at the bottom.
        style: `main`, `second` or `bad`.
        last: the newest value, or None.
    """

    name: str
    path: str
    area: str
    style: str
    last: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        top: the value at the upper edge.
        span: seconds from the left edge to now.
        words: what it shows, for who does not see it.
    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    top: float
    span: float
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: so many seconds ago, and the values of some minutes."""

    ago: float
    rate: float
    p50: float | None
    p99: float | None
    errors: float


@dataclass(frozen=True, slots=True)
class Charts:
    """The three charts of a function, and their table."""

    rate: Chart
    latency: Chart
    errors: Chart
    table: tuple[Row, ...]

    @property
    def all(self) -> tuple[Chart, Chart, Chart]:
        """In order."""
        return self.rate, self.latency, self.errors


def charts(samples: Sequence[Sample], function: str | None, now: float) -> Charts:
    """Of the last hour; `function` None for all requests together."""
    slots = _slots(samples, function, now)
    rates: Points = [None if each is None else each.requests / EVERY for each in slots]
    errors: Points = [None if each is None else each.errors / EVERY for each in slots]
    smooth = [_around(slots, place) for place in range(len(slots))]
    p50s: Points = [quantile(each, 0.5) for each in smooth]
    p99s: Points = [quantile(each, 0.99) for each in smooth]
    total = sum(each.requests for each in slots if each is not None)
    failed = sum(each.errors for each in slots if each is not None)
    span = len(slots) * EVERY
    return Charts(
        rate=_chart("Requests", span, [("requests", "main", rates)], f"{total} requests"),
        latency=_chart(
            "Latency", span, [("p99", "second", p99s), ("p50", "main", p50s)], "p50 and p99"
        ),
        errors=_chart("Errors", span, [("errors", "bad", errors)], f"{failed} errors"),
        table=_table(slots),
    )


def spark(samples: Sequence[Sample], function: str, now: float) -> tuple[str, float]:
    """A function's rate as one small curve, and the requests of the last minute, a second."""
    slots = _slots(samples, function, now)
    rates = [0.0 if each is None else each.requests / EVERY for each in slots]
    coarse = [sum(rates[at : at + 6]) / 6 for at in range(0, len(rates), 6)]
    return _path(coarse, _top([coarse], LEAST)), coarse[-1]


def quantile(counted: Counted | None, share: float) -> float | None:
    """A duration that this share of the requests did not exceed, seconds; within its class evenly.

    None where there were no requests. Of the open last class it is the lower end.
    """
    if counted is None or not sum(counted.classes):
        return None
    wanted, seen = share * sum(counted.classes), 0
    for place, count in enumerate(counted.classes):
        if seen + count >= wanted and count:
            low = BOUNDS[place - 1] if place else 0.0
            high = BOUNDS[place] if place < len(BOUNDS) else low
            return low + (high - low) * max(0.0, wanted - seen) / count
        seen += count
    return None


def _slots(samples: Sequence[Sample], function: str | None, now: float) -> list[Counted | None]:
    """What was counted in each step up to now; None where nobody counted."""
    is_long = any(now - sample.at > SHORT for sample in samples)
    slots: list[Counted | None] = [None] * (KEPT if is_long else int(SHORT / EVERY))
    for sample in samples:
        back = int((now - sample.at) // EVERY)
        if 0 <= back < len(slots):
            found = sample.all if function is None else sample.by_function.get(function)
            slots[-1 - back] = found or Counted()
    return slots


def _around(slots: Sequence[Counted | None], place: int) -> Counted | None:
    """A minute's counts, ending here: of a few requests a quantile says little."""
    near = [each for each in slots[max(0, place - 5) : place + 1] if each is not None]
    total = Counted()
    for each in near:
        total = total.plus(each)
    return total if near else None


def _table(slots: Sequence[Counted | None]) -> tuple[Row, ...]:
    size, rows = int(STEP / EVERY), []
    for end in range(len(slots), 0, -size):
        piece = [each for each in slots[end - size : end] if each is not None]
        if not piece:
            continue
        total = Counted()
        for each in piece:
            total = total.plus(each)
        rows.append(
            Row(
                ago=(len(slots) - end) * EVERY,
                rate=total.requests / (len(piece) * EVERY),
                p50=quantile(total, 0.5),
                p99=quantile(total, 0.99),
                errors=total.errors / (len(piece) * EVERY),
            )
        )
    return tuple(rows)


def _chart(title: str, span: float, named: list[tuple[str, str, Points]], words: str) -> Chart:
    is_time = len(named) > 1
    top = _top([points for _, _, points in named], LEAST / 1000 if is_time else LEAST)
    lines = tuple(
        Line(name, _path(points, top), _area(points, top), style, _last(points))
        for name, style, points in named
    )
    return Chart(title, "s" if is_time else "/s", lines, top, span, words)


def _last(points: Points) -> float | None:
    return next((value for value in reversed(points) if value is not None), None)


def _top(all_points: Sequence[Points], least: float) -> float:
    """A round number that no value is over: `least` times 1, 2, 5, 10, …"""
    most = max((value for points in all_points for value in points if value), default=0.0)
    scale = least
    while True:
        for step in (1, 2, 5):
            if most <= scale * step:
                return scale * step
        scale *= 10


def _pieces(points: Points, top: float) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    step = WIDTH / max(1, len(points) - 1)
    for place, value in enumerate(points):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((place * step, HEIGHT - value / top * (HEIGHT - 2) - 1))
    return [piece for piece in pieces if piece]


def _path(points: Points, top: float) -> str:
    return " ".join(_drawn(piece) for piece in _pieces(points, top))


def _area(points: Points, top: float) -> str:
    return " ".join(
        f"{_drawn(piece)} L{piece[-1][0]:.1f} {HEIGHT:g} L{piece[0][0]:.1f} {HEIGHT:g} Z"
        for piece in _pieces(points, top)
    )


def _drawn(piece: Sequence[tuple[float, float]]) -> str:
    first, *rest = piece
    lines = "".join(f" L{x:.1f} {y:.1f}" for x, y in rest)
    return f"M{first[0]:.1f} {first[1]:.1f}{lines or ' h2'}"
