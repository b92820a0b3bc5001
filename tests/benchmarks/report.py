"""Renders results: tables for the terminal and for `docs/performance.md`. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks import chart, figures, goals
from tests.benchmarks.opponents.model import Opponent
from tests.benchmarks.opponents.ours import ASYNCIO, UVLOOP
from tests.benchmarks.results import Measured, Results, Run
from tests.benchmarks.scenarios import BY_KEY, FORWARD, SCENARIOS, Figure, Scenario

BEGIN = "<!-- bench:begin -->"
END = "<!-- bench:end -->"
MCP_BEGIN = "<!-- bench:mcp:begin -->"
MCP_END = "<!-- bench:mcp:end -->"

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row], left: int = 2) -> str:
    """A Markdown table whose columns line up; all but the first `left` are set to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    left = left if len(head) > left else 1

    def line(cells: Row) -> str:
        padded = [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if at < left else "-" * (width - 1) + ":" for at, width in enumerate(widths)
    ]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def scenario_table(
    scenario: Scenario, measured: Measured, opponents: Mapping[str, Opponent]
) -> str:
    """Every contender of a scenario, the cheapest first, as a multiple of ours."""
    main = scenario.figures[0]
    compares = scenario.kind != "events"  # a difference has no quotient
    ours = _reference(measured)
    what = ["", "token check", *(["revision"] if scenario.exchange else [])]
    head = [*what, *(figure.title for figure in scenario.figures)]
    head += ["× ours, medians", "× ours, by round"] if compares else []
    rows = []
    for name in sorted(measured.opponents, key=lambda n: _median(measured, n, main)):
        row = [name, *_what(scenario, opponents.get(name))]
        for figure in scenario.figures:
            values = list(measured.figure(name, figure.key).values())
            row.append(_cell(figure, figures.spread(values)))
        if compares:
            row += _ratio(measured.figure(name, main.key), measured.figure(ours, main.key))
        rows.append(row)
    return table(head, rows, left=len(what))


def _what(scenario: Scenario, opponent: Opponent | None) -> list[str]:
    """How a contender checks a token, and in MCP what it speaks."""
    check, mcp = (opponent.check, opponent.mcp) if opponent else ("", None)
    if scenario.exchange is None:
        return [check]
    return [check, mcp.spoken(scenario.exchange.era) if mcp else ""]


def _reference(measured: Measured) -> str:
    """Which of ours the others are held against."""
    there = measured.opponents
    return next((name for name in (UVLOOP, ASYNCIO) if name in there), there[0])


def _median(measured: Measured, name: str, figure: Figure) -> float:
    return figures.spread(list(measured.figure(name, figure.key).values())).median


def _cell(figure: Figure, spread: figures.Spread) -> str:
    """The median, and the least and most behind it."""
    median, least, most = (
        f"{value:,.{figure.digits}f}" for value in (spread.median, spread.least, spread.most)
    )
    return f"{median} ({least}–{most})"


def _ratio(theirs: Mapping[int, float], ours: Mapping[int, float]) -> list[str]:
    try:
        found = figures.ratio(theirs, ours)
    except (ValueError, ZeroDivisionError):
        return ["–", "–"]
    return [f"{value:.2f}" for value in (found.of_medians, found.per_round)]


def goals_table(results: Results, aims: Sequence[goals.Goal] = goals.GOALS) -> str:
    """What was aimed at, and what came out."""
    rows = [
        [
            goal.title,
            f"at most {_amount(goal, goal.limit)}",
            _amount(goal, value),
            _mark(goal, value),
        ]
        for goal, value in goals.landed(results, aims)
    ]
    return table(["", "goal", "measured", ""], rows) if rows else ""


def _mark(goal: goals.Goal, value: float) -> str:
    return "✓" if value <= goal.limit else "missed"


def _amount(goal: goals.Goal, value: float) -> str:
    if goal.unit == "×" and value < 0.4:
        return f"1/{1 / value:.3g}"
    return f"{value:.2f}{goal.unit}" if goal.unit == "×" else f"{value:.0f}{goal.unit}"


def sections(results: Results, opponents: Sequence[Opponent]) -> Iterator[tuple[str, str, Run]]:
    """Title, table and run of every scenario that was measured with any of these contenders."""
    known = {opponent.name: opponent for opponent in opponents}
    mcp = any(opponent.mcp for opponent in opponents)
    for scenario in SCENARIOS:
        measured = results.scenarios.get(scenario.key)
        if measured is not None and (scenario.exchange is not None) == mcp:
            run = results.runs[measured.run]
            yield scenario.title, scenario_table(scenario, measured, known), run


def block(results: Results, opponents: Sequence[Opponent], image: str) -> str:
    """What stands between the markers of the page; `image` is the picture's file name."""
    parts = [f"![CPU of an authenticated forward, contender by contender]({image})"]
    parts += _aims(results, goals.GOALS)
    return "\n\n".join([*parts, *_tables(results, opponents)])


def mcp_block(results: Results, opponents: Sequence[Opponent]) -> str:
    """What stands between the page's other markers: the scenarios of MCP."""
    parts = [*_aims(results, goals.MCP_GOALS), *_tables(results, opponents)]
    return "\n\n".join(parts) or "Nothing has been measured yet."


def _aims(results: Results, aims: Sequence[goals.Goal]) -> list[str]:
    text = goals_table(results, aims)
    return ["### Where it landed", text] if text else []


def _tables(results: Results, opponents: Sequence[Opponent]) -> Iterator[str]:
    """The scenarios of these contenders, and the runs that they are from."""
    found = list(sections(results, opponents))
    runs = {run.began: run for _, _, run in found}
    for title, text, run in found:
        yield f"### {title}"
        if len(runs) > 1:
            yield f"Run of {run.began}."
        yield text
    if runs:
        yield "### Machine and versions"
    yield from (run_text(runs[began]) for began in results.runs if began in runs)


def picture(results: Results, opponents: Sequence[Opponent]) -> str:
    """The chart of what a forward costs; empty if that was not measured."""
    measured = results.scenarios.get(FORWARD)
    if measured is None:
        return ""
    ours = frozenset(opponent.name for opponent in opponents if opponent.ours)
    title = f"CPU per request, logarithmic: {BY_KEY[FORWARD].title}"
    return chart.chart(measured, "cpu", title, "µs", ours)


def run_text(run: Run) -> str:
    """When and with what a run was made."""
    at = run.machine
    lines = [
        f"* Run of {run.began}{f', commit {run.commit}' if run.commit else ''}: {run.rounds} "
        f"rounds of {run.seconds:g} s for each contender.",
        f"* {at['cpu']}, {at['cpus']} CPUs, {at['memory']}; {at['system']}, {at['kernel']}.",
        f"* {', '.join(f'{name} {version}' for name, version in run.versions.items())}.",
    ]
    lines += [f"* Skipped: {name} ({why})." for name, why in run.skipped.items()]
    return "\n".join(lines)


def put_between(page: str, text: str, begin: str = BEGIN, end: str = END) -> str:
    """A page with this between these markers. Raises ValueError if it has none."""
    before, begins, rest = page.partition(begin)
    _, ends, after = rest.partition(end)
    if not begins or not ends:
        raise ValueError(f"the page has no {begin} … {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def written(page: str, results: Results, opponents: Sequence[Opponent], image: str) -> str:
    """The page with all that the results say; the contenders are those of HTTP and of MCP."""
    plain = [opponent for opponent in opponents if opponent.mcp is None]
    mcp = [opponent for opponent in opponents if opponent.mcp is not None]
    page = put_between(page, block(results, plain, image))
    return put_between(page, mcp_block(results, mcp), MCP_BEGIN, MCP_END)
