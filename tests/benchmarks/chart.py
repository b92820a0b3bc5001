"""Draws one figure of one scenario as bars, in SVG. The scale is logarithmic. Pure."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from tests.benchmarks.figures import Spread, spread
from tests.benchmarks.results import Measured

WIDTH, ROW, TOP, LEFT, RIGHT = 860, 28, 56, 250, 90

_STYLE = """<style>
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .tick, .value { fill: #59636e; font-size: 12px }
  .grid { stroke: #d1d9e0 }
  .bar { fill: #8c959f }
  .ours { fill: #0969da }
  .span { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .tick, .value { fill: #9198a1 } .grid { stroke: #3d444d }
    .bar { fill: #656c76 } .ours { fill: #4493f8 } .span { stroke: #f0f6fc }
  }
</style>"""


def chart(measured: Measured, key: str, title: str, ours: frozenset[str]) -> str:
    """The picture: a bar to the median of each contender, a line from its least to its most."""
    rows = sorted(
        ((name, spread(list(measured.figure(name, key).values()))) for name in measured.opponents),
        key=lambda row: row[1].median,
    )
    low, high = _decades([each for _, each in rows])
    height = TOP + ROW * len(rows) + 32
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<text class="title" x="12" y="26">{escape(title)}</text>',
        *_grid(low, high, height - 32),
    ]
    for at, (name, each) in enumerate(rows):
        parts += _row(name, each, TOP + ROW * at, (low, high), name in ours)
    return "\n".join([*parts, "</svg>", ""])


def _decades(spreads: Sequence[Spread]) -> tuple[float, float]:
    """The powers of ten that hold all values, as exponents."""
    least, most = min(s.least for s in spreads), max(s.most for s in spreads)
    return math.floor(math.log10(least)), math.ceil(math.log10(most))


def _x(value: float, low: float, high: float) -> float:
    share = (math.log10(value) - low) / (high - low or 1)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _grid(low: float, high: float, bottom: int) -> Iterator[str]:
    for exponent in range(int(low), int(high) + 1):
        x = _x(10**exponent, low, high)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{bottom}"/>'
        label = f"{10**exponent:,} µs"
        yield f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{label}</text>'


def _row(name: str, each: Spread, y: int, scale: tuple[float, float], own: bool) -> Iterator[str]:
    end, least, most = (_x(value, *scale) for value in (each.median, each.least, each.most))
    middle = y + ROW / 2
    kind = "bar ours" if own else "bar"
    yield f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'
    size = f'width="{end - LEFT:.1f}" height="{ROW - 10}"'
    yield f'<rect class="{kind}" x="{LEFT}" y="{y + 5}" {size}/>'
    yield f'<line class="span" x1="{least}" x2="{most}" y1="{middle}" y2="{middle}"/>'
    label = f"{each.median:,.1f}" if each.median < 100 else f"{each.median:,.0f}"
    yield f'<text class="value" x="{max(end, most) + 8}" y="{middle + 4}">{label}</text>'
