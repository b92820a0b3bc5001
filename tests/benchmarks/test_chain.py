"""The whole benchmark in small: a real edge and the benchmark's own tools, nothing fetched."""

import os
from pathlib import Path

import pytest

from tests.benchmarks import machine, run
from tests.benchmarks.calls import Exchange
from tests.benchmarks.opponents.model import Program
from tests.benchmarks.opponents.ours import ASYNCIO
from tests.benchmarks.opponents.table import MCP_OPPONENTS, OPPONENTS
from tests.benchmarks.scenarios import Scenario
from tests.benchmarks.traffic import Shape

SMALL = [
    Scenario("small", "A few POSTs", connections=2),
    Scenario("refused", "A few 401s", connections=2, refused=True),
    Scenario("closing", "A connection each", shape=Shape(close=True), connections=2),
    Scenario("down", "Down", "bulk", size=50 * 10**6),
    Scenario("up", "Up", "bulk", size=50 * 10**6, up=True),
    Scenario("events", "Events", "events"),
    *(
        Scenario(f"{era} {method}", f"{era} {method}", "mcp", connections=2, exchange=exchange)
        for era in ("stateless", "session")
        for method in ("tools/call", "tools/list")
        for exchange in [Exchange(era, method, 12)]
    ),
]


@pytest.fixture
def tour(tmp_path: Path) -> run.Tour:
    everybody = (*OPPONENTS, *MCP_OPPONENTS)
    ours = [opponent for opponent in everybody if opponent.name == ASYNCIO]
    said: list[str] = []
    programs = {"jelou": Program(Path("jelou"), "0")}
    return run.Tour(tmp_path, programs, ours, 1, 0.2, said.append, tokens=20)


@pytest.mark.slow
def test_a_run_measures_every_scenario_and_leaves_nothing_running(tour: run.Tour) -> None:
    before = machine.tree(os.getpid())
    measured = tour.measure(SMALL, "now")
    assert tour.failures == []
    assert tour.skipped == {}
    assert list(measured) == [scenario.key for scenario in SMALL]
    for scenario in SMALL:
        figures = measured[scenario.key].samples[0].figures
        assert list(figures) == [figure.key for figure in scenario.figures]
        assert all(value > 0 for key, value in figures.items() if key in ("cpu", "rate", "peak"))
    assert machine.tree(os.getpid()) == before
