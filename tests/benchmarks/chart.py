"""Draws one figure of one scenario as dots on a logarithmic scale, in SVG. Pure.

Dots, not bars: where a scale has no zero, the length of a bar says nothing.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from tests.benchmarks.figures import Spread, spread
from tests.benchmarks.results import Measured

WIDTH, ROW, TOP, LEFT, RIGHT = 880, 26, 56, 270, 90

_STYLE = """<style>
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .tick, .value { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0 }
  .lead { stroke: #8c959f; stroke-dasharray: 1 4 }
  .dot { fill: #59636e; stroke: #59636e }
  .ours { fill: #0969da; stroke: #0969da }
  .span { stroke-width: 3; stroke-linecap: round; opacity: 0.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .tick, .value { fill: #9198a1 } .grid { stroke: #3d444d }
    .lead { stroke: #656c76 } .dot { fill: #9198a1; stroke: #9198a1 }
    .ours { fill: #4493f8; stroke: #4493f8 }
  }
</style>"""


def chart(measured: Measured, key: str, title: str, unit: str, ours: frozenset[str]) -> str:
    """The picture: a dot at the median of each contender, a line from its least to its most."""
    rows = sorted(
        ((name, spread(list(measured.figure(name, key).values()))) for name in measured.opponents),
        key=lambda row: row[1].median,
    )
    marks = ticks(min(each.least for _, each in rows), max(each.most for _, each in rows))
    height = TOP + ROW * len(rows) + 32
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
        *_grid(marks, unit, height - 32),
    ]
    for at, (name, each) in enumerate(rows):
        parts += _row(name, each, TOP + ROW * at + ROW / 2, marks, name in ours)
    return "\n".join([*parts, "</svg>", ""])


def ticks(least: float, most: float) -> list[float]:
    """1, 2 and 5 times powers of ten: from the last below the least to the first above the most."""
    first = math.floor(math.log10(least)) - 1
    decades = range(first, math.ceil(math.log10(most)) + 2)
    steps = [float(f"{step}e{decade}") for decade in decades for step in (1, 2, 5)]
    begin = max(at for at, value in enumerate(steps) if value < least)
    end = min(at for at, value in enumerate(steps) if value > most)
    return steps[begin : end + 1]


def _x(value: float, marks: Sequence[float]) -> float:
    share = math.log(value / marks[0]) / math.log(marks[-1] / marks[0])
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _grid(marks: Sequence[float], unit: str, bottom: int) -> Iterator[str]:
    for mark in marks:
        x = _x(mark, marks)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}"/>'
        label = f"{mark:,.10g}"
        yield f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
    yield f'<text class="tick" x="{WIDTH - RIGHT + 44}" y="{bottom + 18}">{escape(unit)}</text>'


def _row(name: str, each: Spread, y: float, marks: Sequence[float], own: bool) -> Iterator[str]:
    dot, least, most = (_x(value, marks) for value in (each.median, each.least, each.most))
    kind = "dot ours" if own else "dot"
    yield f'<text x="{LEFT - 10}" y="{y + 5}" text-anchor="end">{escape(name)}</text>'
    yield f'<line class="lead" x1="{LEFT}" x2="{least}" y1="{y}" y2="{y}"/>'
    yield f'<line class="{kind} span" x1="{least}" x2="{most}" y1="{y}" y2="{y}"/>'
    yield f'<circle class="{kind}" cx="{dot}" cy="{y}" r="5"/>'
    label = f"{each.median:,.1f}" if each.median < 100 else f"{each.median:,.0f}"
    yield f'<text class="value" x="{max(dot, most) + 10}" y="{y + 4}">{label}</text>'
