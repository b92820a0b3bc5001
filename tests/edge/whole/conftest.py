"""An edge before an origin, both in the test's event loop."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.mcp_wire import EACH_WAY, McpClient, serving_tools
from tests.support.origin import Origin, echoes, serving


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """An origin that echoes; a test may set another `behaviour`."""
    async with serving(echoes) as started:
        yield started


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[EdgeInProcess]:
    """An edge without functions."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture(params=[pytest.param("1.0", marks=pytest.mark.slow), "1.1", "2"])
def caller(request: Any, edge: EdgeInProcess) -> Caller:
    """Calls over each version of HTTP; what is special of 1.0 has tests of its own."""
    return Caller(edge, request.param)


@pytest.fixture(params=EACH_WAY)
def way(request: pytest.FixtureRequest) -> str:
    """By which way through the edge clients of `/mcp` come."""
    return str(request.param)


@pytest.fixture
async def mcp(way: str, tmp_path: Path, origin: Origin) -> AsyncIterator[McpClient]:
    """A client of a function of tools; a test says what its `origin` does."""
    async with serving_tools(way, tmp_path, origin) as client:
        yield client


@pytest.fixture(autouse=True)
def no_failures_of_its_own(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Whatever clients and functions do, nothing in the edge itself fails."""
    yield
    failures = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not failures, caplog.text
    said = capfd.readouterr().err
    assert "internal_error" not in said, said
