"""The example functions, started on free ports."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients import packages
from tests.support.processes import ROOT


@dataclass(frozen=True, slots=True)
class Example:
    """An example function: its folder and the words that start it."""

    folder: Path
    command: tuple[str, ...]


def python_function() -> Example:
    """The function in Python."""
    folder = ROOT / "examples" / "python-function"
    return Example(folder, (sys.executable, str(folder / "app.py")))


def node_function() -> Example:
    """The function in Node."""
    folder = ROOT / "examples" / "node-function"
    return Example(folder, (str(packages.or_skip(packages.node)), str(folder / "app.mjs")))


@pytest.fixture(
    scope="session", params=[python_function, node_function], ids=["in-python", "in-node"]
)
def example(request: pytest.FixtureRequest) -> Example:
    """Each example function."""
    make: Callable[[], Example] = request.param
    return make()
