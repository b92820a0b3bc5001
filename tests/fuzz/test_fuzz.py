"""Whatever bytes come, no promise breaks: what was found before, made at random, and sought.

`make fuzz` goes on from here for as long as one likes: `python -m tests.fuzz --help`.
"""

import os
import random
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.json_mutation import mutated
from tests.fuzz.runs import fuzz

RUNS = 400
"""Inputs of a target in the everyday suite; with the seed they are the same each time."""

KEPT = [(name, path) for name in targets.NAMES for path in targets.kept(name)]


@pytest.fixture
def atheris() -> None:
    """Skips a test where it is not installed; in CI it is, so there the test fails."""
    if find_spec("atheris") is None:
        why = "atheris is not installed: it has no wheel for this Python or machine"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.mark.parametrize(
    ("name", "path"),
    KEPT,
    ids=[f"{name}-{path.parent.parent.name}-{path.stem}" for name, path in KEPT],
)
def test_what_was_kept_shows_no_fault(name: str, path: Path) -> None:
    targets.load(name).check(path.read_bytes())


def inputs(target: targets.Target) -> st.SearchStrategy[bytes]:
    """Seeds altered, and words and bytes in any order."""
    seeds = st.sampled_from(target.seeds)
    if target.is_json:
        return st.builds(
            lambda seed, number: mutated(seed, random.Random(number), target.words) or seed,
            seeds,
            st.integers(0, 2**32),
        )
    parts = st.lists(st.sampled_from(target.words) | st.binary(max_size=20), max_size=8)
    mixed = st.builds(
        lambda seed, put, at: seed[: at % len(seed)] + b"".join(put) + seed[at % len(seed) :],
        seeds,
        parts,
        st.integers(0, 500),
    )
    return parts.map(b"".join) | mixed


@pytest.mark.parametrize("name", targets.NAMES)
def test_nothing_made_at_random_shows_a_fault(name: str) -> None:
    target = targets.load(name)

    @settings(max_examples=60, deadline=None)
    @given(inputs(target))
    def made(data: bytes) -> None:
        target.check(data)

    made()


@pytest.mark.parametrize("name", targets.NAMES)
def test_coverage_guided_fuzzing_finds_no_fault(name: str, tmp_path: Path, atheris: None) -> None:
    outcome = fuzz(name, tmp_path, [f"-runs={RUNS}", "-seed=1"])
    assert outcome.fault is None, outcome.output[-6000:]
    assert outcome.executions >= RUNS
    assert outcome.edges, "nothing of the product was instrumented"


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", targets.NAMES)
def test_minutes_of_fuzzing_find_no_fault(name: str, tmp_path: Path, atheris: None) -> None:
    outcome = fuzz(name, tmp_path, ["-max_total_time=180"])
    assert outcome.fault is None, outcome.output[-6000:]


def test_a_fault_that_is_there_is_found_and_its_input_kept(tmp_path: Path, atheris: None) -> None:
    outcome = fuzz("planted", tmp_path, ["-runs=200000", "-seed=1"])
    assert outcome.fault is not None
    with pytest.raises(AssertionError, match="planted"):
        targets.load("planted").check(outcome.fault.read_bytes())
