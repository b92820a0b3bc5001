"""The benchmark's figures: what it makes of samples, of what Linux says and of what tools print."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import chart, figures, goals, machine, report, results, run, traffic
from tests.benchmarks.load import h2load, wrk
from tests.benchmarks.load.result import Load, LoadError
from tests.benchmarks.opponents.model import Program
from tests.benchmarks.opponents.ours import UVLOOP
from tests.benchmarks.opponents.table import OPPONENTS
from tests.benchmarks.results import Measured, Results, Run, Sample
from tests.benchmarks.scenarios import BY_KEY, FORWARD, REFUSED

RUN = Run(
    "2026-01-02T03:04:05Z",
    "abc1234",
    dict.fromkeys(("cpu", "cpus", "memory", "system", "kernel"), "x"),
    {"nginx": "1.22.1"},
    {"Envoy": "envoy: not to be had"},
    2,
    1.0,
)


def measured(**cpu: list[float]) -> Measured:
    """A scenario whose contenders took so many microseconds, round by round."""
    return Measured(
        RUN.began,
        [
            Sample(name, number, {"cpu": value, "rate": 1e6 / value, "p50": 1.0, "p99": 2.0})
            for name, values in cpu.items()
            for number, value in enumerate(values, 1)
        ],
    )


def known(**scenarios: Measured) -> Results:
    found = Results()
    found.add(RUN, scenarios)
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], (3.0, 3.0, 3.0)),
        ([5.0, 1.0, 2.0], (2.0, 1.0, 5.0)),
        ([4.0, 1.0, 2.0, 9.0], (3.0, 1.0, 9.0)),
    ],
)
def test_a_spread_is_median_least_and_most(
    values: list[float], expected: tuple[float, float, float]
) -> None:
    assert figures.spread(values) == figures.Spread(*expected)


def test_a_spread_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no sample"):
        figures.spread([])


def test_a_ratio_by_round_is_blind_to_a_round_that_was_slow_for_both() -> None:
    ours, theirs = {1: 10.0, 2: 100.0, 3: 10.0}, {1: 5.0, 2: 50.0, 3: 5.0}
    assert figures.ratio(ours, theirs) == figures.Ratio(2.0, 2.0)


def test_a_ratio_takes_only_rounds_that_both_ran() -> None:
    assert figures.ratio({1: 4.0, 2: 6.0}, {1: 2.0, 3: 2.0}).per_round == 2.0
    with pytest.raises(ValueError, match="no round"):
        figures.ratio({1: 1.0}, {2: 1.0})


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert figures.percentile(range(100, 0, -1), percent) == expected


def test_cpu_time_is_the_first_number_of_schedstat() -> None:
    assert machine.on_cpu("812345678 1234 99\n") == 812345678


def test_what_the_wrk_script_prints_is_read() -> None:
    line = '{"requests":1000,"refused":3,"broken":2,"us":2000000,"p50":800,"p99":4100}'
    output = f"Running 2s test @ http://127.0.0.1:1\n  2 threads\n{line}\n"
    assert wrk.parse(output, refused=False) == Load(1000, 5, 2.0, 800, 4100)
    assert wrk.parse(output, refused=True) == Load(1000, 999, 2.0, 800, 4100)
    with pytest.raises(LoadError, match="no report"):
        wrk.parse("unable to connect\n", refused=False)


def test_requests_in_a_wrk_script_are_escaped() -> None:
    script = wrk.script([b'POST / HTTP/1.1\r\n\r\n{"a\\b":1}'])
    assert '"POST / HTTP/1.1\\013\\010\\013\\010{\\034a\\092b\\034:1}"' in script


def test_what_h2load_prints_is_read() -> None:
    output = (
        "Application protocol: h2\n\n"
        "finished in 2.01s, 1234.5 req/s, 1.2MB/s\n"
        "requests: 4 total, 4 started, 4 done, 3 succeeded, 1 failed, 0 errored, 0 timeout\n"
        "status codes: 2 2xx, 0 3xx, 1 4xx, 0 5xx\n"
    )
    log = "1\t200\t500\n2\t200\t100\n3\t404\t900\n"
    assert h2load.parse(output, log) == Load(3, 2, 2.01, 500.0, 900.0)


def test_no_two_requests_of_the_load_are_alike() -> None:
    made = traffic.requests(traffic.Shape(), ["one", "two"])
    bodies = [each.partition(b"\r\n\r\n")[2] for each in made]
    assert len(set(made)) == len(made) == 1000
    assert made == traffic.requests(traffic.Shape(), ["one", "two"])
    assert 195 <= sum(map(len, bodies)) / len(bodies) <= 205
    assert all(b"Content-Length: %d\r\n" % len(b) in r for r, b in zip(made, bodies, strict=True))


def test_a_table_lines_up() -> None:
    rows = [["nginx", "map", "9.5"], ["ours", "digest", "120.0"]]
    assert report.table(["", "check", "µs"], rows).splitlines() == [
        "|       | check  |    µs |",
        "| ----- | ------ | ----: |",
        "| nginx | map    |   9.5 |",
        "| ours  | digest | 120.0 |",
    ]


def test_contenders_stand_cheapest_first_as_multiples_of_ours() -> None:
    times = {"nginx, map": [10.0, 12.0], UVLOOP: [20.0, 24.0]}
    contenders = {opponent.name: opponent for opponent in OPPONENTS}
    text = report.scenario_table(BY_KEY[FORWARD], measured(**times), contenders)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert [row[0] for row in rows] == ["nginx, map", UVLOOP]
    assert rows[0][2] == "11.0 (10.0–12.0)"
    assert rows[0][-2:] == ["0.50", "0.50"]
    assert rows[1][-2:] == ["1.00", "1.00"]


def test_goals_are_told_from_what_was_measured() -> None:
    times = {"nginx, map": [10.0, 10.0], UVLOOP: [20.0, 20.0]}
    found = known(**{FORWARD: measured(**times), REFUSED: measured(**{UVLOOP: [15.0, 15.0]})})
    landed = {goal.title: value for goal, value in goals.landed(found, goals.GOALS)}
    assert landed["CPU of nginx with `map`, on uvloop"] == 2.0
    assert landed["a 401: CPU of a forward"] == 0.75
    assert "CPU of Envoy" not in landed
    assert "missed" in report.goals_table(found)


def test_results_survive_their_file(tmp_path: Path) -> None:
    first = known(**{FORWARD: measured(a=[1.0]), REFUSED: measured(a=[2.0])})
    results.save(first, tmp_path / "raw.json")
    assert results.load(tmp_path / "raw.json") == first
    assert results.load(tmp_path / "none.json") == Results()


def test_a_later_run_replaces_what_it_measured_and_leaves_the_rest() -> None:
    found = known(**{FORWARD: measured(a=[1.0]), REFUSED: measured(a=[2.0])})
    later = replace(RUN, began="later")
    found.add(later, {FORWARD: replace(measured(a=[3.0]), run="later")})
    assert found.scenarios[FORWARD].figure("a", "cpu") == {1: 3.0}
    assert found.scenarios[REFUSED].figure("a", "cpu") == {1: 2.0}
    assert list(found.runs) == [RUN.began, "later"]
    found.add(later, {REFUSED: replace(measured(a=[4.0]), run="later")})
    assert list(found.runs) == ["later"]


def test_the_page_keeps_what_is_outside_the_markers() -> None:
    text = report.block(known(**{FORWARD: measured(a=[1.0])}), OPPONENTS, "picture.svg")
    page = f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n"
    new = report.put_between(page, text)
    assert new.startswith("above\n")
    assert new.endswith("\nbelow\n")
    assert "old" not in new
    assert "Skipped: Envoy (envoy: not to be had)" in new
    assert report.put_between(new, text) == new
    with pytest.raises(ValueError, match="has no"):
        report.put_between("nothing", text)


def test_the_chart_has_a_dot_for_each_contender() -> None:
    drawn = chart.chart(measured(a=[1.0, 3.0], b=[500.0]), "cpu", "CPU", "µs", frozenset({"a"}))
    assert drawn.count("<circle") == 2
    assert drawn.count('class="dot ours"') == 1


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (10.5, 40.0, [10, 20, 50]),
        (10.0, 100.0, [5, 10, 20, 50, 100, 200]),
        (0.3, 0.3, [0.2, 0.5]),
    ],
)
def test_ticks_stand_around_the_values(least: float, most: float, expected: list[float]) -> None:
    assert chart.ticks(least, most) == expected


def test_a_contender_whose_programs_are_missing_is_skipped_by_name_and_reason() -> None:
    there = {"jelou": Program(Path("jelou"), version="1")}
    found, skipped = run.available(OPPONENTS, there, {"haproxy": "no such package"})
    assert [each.name for each in found] == ["jelou, asyncio"]
    assert skipped["HAProxy, ACL"] == "haproxy: no such package"
    assert len(found) + len(skipped) == len(OPPONENTS)
