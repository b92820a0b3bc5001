"""Both lanes before the same functions."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.lanes import World, world
from tests.support.lanes_functions import deploy

LANES = {"asgi": False, "fast": True}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "trusting": {"trusted_proxies": ("127.0.0.0/8", "198.51.100.0/24"), "path_addressing": False},
    "wary": {"trusted_proxies": ("127.0.0.0/8",), "auth_failures": 3},
    "stern": {"auth_failures": 3},
    "hasty": {"head_timeout": 0.8, "body_idle": 0.8, "keep_alive": 0.8},
    "impatient": {"head_timeout": 0.4, "body_idle": 0.4, "answer_idle": 0.4, "keep_alive": 0.4},
}
"""Of the edges that cases name."""

Lanes = dict[str, dict[str, World]]


@pytest.fixture(scope="module")
async def lanes(
    anyio_backend: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lanes]:
    """By edge and lane, edges before the same functions."""
    async with AsyncExitStack() as stack:
        started: Lanes = {}
        for name, settings in SETTINGS.items():
            started[name] = {}
            for lane, fast in LANES.items():
                directory = tmp_path_factory.mktemp(f"{name}-{lane}")
                made = world(directory, fast_lane=fast, **settings)
                started[name][lane] = await stack.enter_async_context(made)
                deploy(started[name][lane], *([] if name == "plain" else ["shop", "open", "raw"]))
        yield started


@pytest.fixture(autouse=True)
def no_failures_of_its_own(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Whatever clients and functions do, nothing in the edge itself fails."""
    yield
    failures = [r.getMessage() for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    assert not failures, caplog.text
    assert "internal_error" not in capfd.readouterr().err
