"""An edge whose connections are on the fast lane, before an origin."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.again import Pair, answers_in_turn, pair
from tests.support.edge_in_process import running
from tests.support.origin import serving


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Pair]:
    """A kept connection beside fresh ones."""
    async with (
        serving(answers_in_turn) as origin,
        running(tmp_path) as edge,
        pair(edge, origin) as made,
    ):
        yield made


@pytest.fixture(autouse=True)
def no_failures_of_its_own(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever clients do, nothing in the edge itself fails."""
    yield
    failures = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not failures, caplog.text
