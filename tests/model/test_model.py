"""Whatever is deployed, made, rotated, revoked or deleted, who may do what is as a model says."""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.driving import Driven, InProcess, WholeProcess
from tests.model.machine import TrustMachine
from tests.support.mcp_wire import EACH_WAY, WAYS

FEW = settings(
    max_examples=6,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(FEW, max_examples=60, stateful_step_count=100, derandomize=False, print_blob=True)
SOME = settings(MANY, max_examples=4, stateful_step_count=50)

OFTEN = (
    *(f"http {status}" for status in (200, 401, 403, 404, 405)),
    *(f"{kind} {status}" for kind in ("list", "call") for status in (200, 401, 404)),
    *("call -32602", "refused operations"),
)
"""What so many steps cannot but meet."""


def hold_to_the_model(
    start: Callable[[Path], Driven], directory: Path, how: settings
) -> Counter[str]:
    """Drive machines over edges in fresh directories; counts steps, questions and answers."""

    def machine() -> TrustMachine:
        return TrustMachine(start(Path(tempfile.mkdtemp(dir=directory))))

    TrustMachine.counted.clear()
    run_state_machine_as_test(machine, settings=how)
    return TrustMachine.counted


@pytest.mark.timeout(300)  # a failure is made as short as can be before it is told
@pytest.mark.parametrize("way", EACH_WAY)
def test_every_answer_is_what_the_model_says(way: str, tmp_path: Path) -> None:
    counted = hold_to_the_model(lambda path: InProcess(path, way), tmp_path, FEW)
    assert counted["steps"] > 200


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
def test_thousands_of_steps_lead_nowhere_else(way: str, tmp_path: Path) -> None:
    counted = hold_to_the_model(lambda path: InProcess(path, way), tmp_path, MANY)
    print(way, dict(sorted(counted.items())))  # noqa: T201 - how hard it was tried
    assert counted["steps"] > 3_000
    assert [kind for kind in OFTEN if not counted[kind]] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_whole_edge_is_held_to_it_through_kills_and_restarts(tmp_path: Path) -> None:
    counted = hold_to_the_model(WholeProcess, tmp_path, SOME)
    print(dict(sorted(counted.items())))  # noqa: T201 - how hard it was tried
    assert counted["steps"] > 100
