"""An edge before an origin, both in the test's event loop."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.calling import Caller
from tests.support.edge_in_process import EdgeInProcess, running
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


@pytest.fixture(params=["1.0", "1.1", "2"])
def caller(request: Any, edge: EdgeInProcess) -> Caller:
    """Calls over each version of HTTP."""
    return Caller(edge, request.param)
