"""`docs/functions.md` names every variable that a process is given, and every bound as it is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config import Config
from edge.config_loading import default_data_dir
from edge.functions import Run
from edge.running.launch import INHERITED, Code, Named, Place, Python, launch
from edge.running.plan import FIRST_BACKOFF, LONGEST_BACKOFF, PATIENCE, STEADY
from edge.running.protocol import State
from edge.running.users import FIRST, MANY

PAGE = (Path(__file__).parents[2] / "docs" / "functions.md").read_text()
CONFIG = Config(data_dir=default_data_dir({}, root=True))


def test_every_variable_of_a_process_is_in_the_table() -> None:
    here = Path("/x")
    made = launch(
        replace(Run(), entrypoint="index.py"),
        Named("one", "dep_1", "i", "http://localhost"),
        Code(here),
        Place(here, 1, here),
        Python("python", here),
        {},
        dict.fromkeys(INHERITED, "x"),
    )
    table = PAGE.split("## What a process is told")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(made.environment)


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("start_timeout", f"{CONFIG.start_timeout:g} s"),
        ("stop_timeout", f"{CONFIG.stop_timeout:g} s"),
        ("function_memory", f"{CONFIG.function_memory // 1024**2} MiB"),
        ("function_descriptors", f"{CONFIG.function_descriptors}"),
        ("function_processes", f"{CONFIG.function_processes}"),
        ("function_user", f"`{CONFIG.function_user}`"),
    ],
)
def test_every_bound_stands_there_as_it_is(setting: str, shown: str) -> None:
    assert f"| `{setting}` | {shown} |" in PAGE


def test_backoff_and_users_are_told_as_they_are() -> None:
    said = f"after {FIRST_BACKOFF:g} s, then 1 s, 2 s, … at most {LONGEST_BACKOFF:g} s"
    assert said in PAGE
    assert f"up for {STEADY:g} s" in PAGE
    assert f"wait through {PATIENCE:g} s" in PAGE
    assert f"from {FIRST} to {FIRST + MANY - 1}" in PAGE


def test_every_state_is_named() -> None:
    for state in State.__args__:  # type: ignore[attr-defined]
        assert f"`{state}`" in PAGE
