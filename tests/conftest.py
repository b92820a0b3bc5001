"""Settings that every test shares: which event loop asynchronous tests run on.

Workers run on uvloop where it is installed, else on asyncio's own loop. `--loop` runs all tests on
one of them; without it they run on asyncio's, and those of `ON_BOTH` on either.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
}
"""What anyio's plugin calls them."""

ON_BOTH = ("edge/fast", "edge/forwarding", "edge/lanes", "edge/server", "edge/whole")
"""Directories whose tests depend on how a loop treats sockets."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=[*LOOPS, "both"], help="run all asynchronous tests on it")


@pytest.fixture(scope="session")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loop of a test that runs on one."""
    return LOOPS["uvloop" if request.config.getoption("loop") == "uvloop" else "asyncio"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on both loops where that is wanted and possible."""
    asked = metafunc.config.getoption("loop")
    both = asked == "both" or (asked is None and _depends_on_the_loop(metafunc.definition.path))
    if both and "anyio_backend" in metafunc.fixturenames and find_spec("uvloop"):
        metafunc.parametrize("anyio_backend", LOOPS.values(), ids=LOOPS.keys(), scope="session")


def _depends_on_the_loop(file: Path) -> bool:
    return any(file.is_relative_to(Path(__file__).parent / name) for name in ON_BOTH)
