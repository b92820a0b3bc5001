"""Packages from npm that tests drive, installed once into the git-ignored ``.run/npm``.

Run as a program it installs all of them ahead of the tests.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import ROOT, run

CACHE = ROOT / ".run" / "npm"
TOOLS = ROOT / "tests" / "clients" / "npm"  # the Inspector, and the Node that it needs
SDKS = ROOT / "examples" / "mcp-clients"  # the TypeScript SDKs
INSTALL_SECONDS = 600.0


class NotInstalledError(Exception):
    """A package could not be had; the text says why."""


def installed(source: Path) -> Path:
    """Return a copy of a folder with a package.json, in which its locked packages are installed.

    The copy is named after the lock file, so that it is made once for each state of it. Raises
    `NotInstalledError` if there is no npm or it fails.
    """
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{source.name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in source.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        if not (folder / ".complete").exists():
            install(folder)
            (folder / ".complete").touch()
    return folder


def install(folder: Path) -> None:
    """Install what the lock file names; no package's own scripts are run."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("npm is not installed")
    done = run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, seconds=INSTALL_SECONDS)
    if done.returncode:
        raise NotInstalledError(f"npm ci failed: {done.stderr[-500:]}")


def node() -> Path:
    """Return the Node of the tests: the same everywhere, and new enough for the Inspector."""
    system, machine = platform.system().lower(), platform.machine()
    cpu = {"x86_64": "x64", "aarch64": "arm64"}.get(machine, machine)
    program = installed(TOOLS) / "node_modules" / f"node-{system}-{cpu}" / "bin" / "node"
    if not program.exists():
        raise NotInstalledError(f"npm has no Node for {system} on {machine}")
    return program


def or_skip(needed: Callable[[], Path]) -> Path:
    """Return what a test needs from npm, or skip the test.

    In CI every tool is installed, so there the test fails.
    """
    try:
        return needed()
    except NotInstalledError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


if __name__ == "__main__":
    installed(SDKS)
    sys.stdout.write(f"{run([str(node()), '--version']).stdout.strip()} is ready\n")
