"""Settings that every test shares."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Hypercorn's worker runs on asyncio, so tests do too."""
    return "asyncio"
