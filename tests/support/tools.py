"""Programs of the system that a test needs; where everything has to be there, it fails without."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """Where a program is; the test is skipped without it, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found
