"""Settings that every test shares: which event loop asynchronous tests run on, and the scan of all
that is written meanwhile for tokens.

Workers run on uvloop where it is installed, else on asyncio's own loop. `--loop` runs all tests on
one of them, or on both, as `make test-all` does; without it they run on asyncio's, and those of
`AS_WORKERS` on what workers run on.
"""

import functools
import gc
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest_plugins = ["tests.support.token_scan", "tests.support.shared_edge"]

GARBAGE = (10_000, 20, 50)
"""When to look for cycles while tests run, as workers do."""

gc.disable()  # until all tests are collected: what is imported and collected stays

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
}
"""What anyio's plugin calls them."""

AS_WORKERS = ("edge/fast", "edge/forwarding", "edge/lanes", "edge/server", "edge/whole")
"""Directories whose tests depend on how a loop treats sockets, or are many."""


MEMORY = "/dev/shm"
ENOUGH = 2 << 30
"""Bytes that must be free there; all tests leave a tenth of that."""


def pytest_configure() -> None:
    """Keep what tests write in memory, if programs may be run from there and TMPDIR is not set.

    An edge is started by some thousands of tests, and a disk is waited for by each several times.
    """
    if "TMPDIR" not in os.environ and os.path.isdir(MEMORY):
        there = os.statvfs(MEMORY)
        roomy = there.f_bavail * there.f_frsize >= ENOUGH
        if roomy and os.access(MEMORY, os.W_OK) and not there.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=[*LOOPS, "both"], help="run all asynchronous tests on it")


@pytest.fixture(scope="session")
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loop of a test that runs on one."""
    return LOOPS["uvloop" if request.config.getoption("loop") == "uvloop" else "asyncio"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on both loops where that is wanted and possible."""
    if "anyio_backend" not in metafunc.fixturenames or not find_spec("uvloop"):
        return
    asked = metafunc.config.getoption("loop")
    if asked is None:
        loops = _loops_of(metafunc.definition.path)
    else:
        loops = LOOPS if asked == "both" else ()
    if loops:
        values = [LOOPS[name] for name in loops]
        metafunc.parametrize("anyio_backend", values, ids=list(loops), scope="session")


def _loops_of(file: Path) -> Iterable[str]:
    here = Path(__file__).parent
    return ("uvloop",) if any(file.is_relative_to(here / name) for name in AS_WORKERS) else ()


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and never again among what was collected: a fifth of all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run a file's tests together: in pytest's own order, by loops, files that share what they
    start take turns, and start it again at each.
    """
    items.sort(key=lambda item: (str(item.path), _loop_of(item)))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """End an asynchronous test in its own time: uvloop lets no signal through while it is idle,
    so that nothing else would.
    """
    test = pyfuncitem.obj
    if inspect.iscoroutinefunction(test):
        pyfuncitem.obj = _bounded(test, _seconds_of(pyfuncitem))


def _seconds_of(item: pytest.Function) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


def _bounded(
    test: Callable[..., Awaitable[None]], seconds: float
) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **kwargs: Any) -> None:
        with anyio.fail_after(seconds):
            await test(*args, **kwargs)

    return bounded


def _loop_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("anyio_backend")) if callspec else ""
