"""Packages from npm and PyPI that tests drive, installed once into the git-ignored ``.run``.

Run as a program it installs all of them ahead of the tests. Each client in Python has an
environment of its own: together, and with ours, they agree on no version of the MCP SDK.
"""

import fcntl
import filecmp
import hashlib
import os
import platform
import shutil
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import ROOT, run

NPM = ROOT / ".run" / "npm"
PYPI = ROOT / ".run" / "pypi"
TOOLS = ROOT / "tests" / "clients" / "npm"  # the Inspector, mcp-remote, and the Node they need
SDKS = ROOT / "examples" / "mcp-clients"  # the TypeScript SDKs
CONFORMANCE = ROOT / "tests" / "conformance" / "npm"  # the official conformance suite
BROWSER = ROOT / "tests" / "browser" / "npm"  # axe-core, which judges pages
DRIVERS = ROOT / "tests" / "clients" / "drivers"
REQUIREMENTS = ROOT / "tests" / "clients" / "python"
INSTALLER = ROOT / ".ci" / "uv.txt"
INSTALL_SECONDS = 600.0


class NotInstalledError(Exception):
    """A package could not be had; the text says why."""


@contextmanager
def made_once(cache: Path, name: str, *contents: bytes) -> Iterator[tuple[Path, bool]]:
    """Hold a folder of the cache, named after what shall be in it, against other processes.

    Yields it, and whether it has still to be filled; it counts as filled unless the block raises.
    """
    digest = hashlib.sha256(b"\0".join(contents)).hexdigest()[:12]
    folder = cache / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder, not (folder / ".complete").exists()
        (folder / ".complete").touch()


def required(program: str, *arguments: str, cwd: Path = ROOT) -> None:
    """Run an installer. Raises `NotInstalledError` with its last words if it fails."""
    done = run([program, *arguments], cwd=cwd, seconds=INSTALL_SECONDS)
    if done.returncode:
        words = " ".join([Path(program).name, *arguments])
        raise NotInstalledError(f"{words} failed: {done.stderr[-500:]}")


# --- npm --------------------------------------------------------------------------------------


def installed(source: Path, *more: Path) -> Path:
    """Return a copy of a folder with a package.json, in which its locked packages are installed.

    The copy is named after the lock file, so that it is made once for each state of it; `more`
    are files copied beside. Raises `NotInstalledError` if there is no npm or it fails.
    """
    lock_file = (source / "package-lock.json").read_bytes()
    with made_once(NPM, source.name, lock_file) as (folder, is_new):
        for file in (*source.iterdir(), *more):
            if file.is_file():
                copy_if_changed(file, folder / file.name)
        if is_new:
            install(folder)
    return folder


def copy_if_changed(source: Path, copy: Path) -> None:
    """Copy a file, unless the copy is good: another test may be reading it."""
    if not copy.exists() or not filecmp.cmp(source, copy, shallow=False):
        shutil.copy(source, copy)


def install(folder: Path) -> None:
    """Install what the lock file names; no package's own scripts are run."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalledError("npm is not installed")
    required(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


def node() -> Path:
    """Return the Node of the tests: the same everywhere, and new enough for all."""
    system, machine = platform.system().lower(), platform.machine()
    cpu = {"x86_64": "x64", "aarch64": "arm64"}.get(machine, machine)
    program = installed(TOOLS) / "node_modules" / f"node-{system}-{cpu}" / "bin" / "node"
    if not program.exists():
        raise NotInstalledError(f"npm has no Node for {system} on {machine}")
    return program


def sdks() -> Path:
    """Return the folder of the examples and drivers with both TypeScript SDKs installed."""
    return installed(SDKS, *DRIVERS.glob("*.mjs"))


# --- PyPI -------------------------------------------------------------------------------------


def python(client: str) -> Path:
    """Return the Python of a client's environment, with exactly what its list names.

    Raises `NotInstalledError` if that cannot be installed.
    """
    wanted = REQUIREMENTS / f"{client}.txt"
    with made_once(PYPI, client, wanted.read_bytes(), sys.version.encode()) as (folder, is_new):
        program = folder / "env" / "bin" / "python"
        if is_new:
            venv.create(folder / "env", clear=True)
            flags = ("--quiet", "--require-hashes", "--python", str(program))
            required(str(uv()), "pip", "sync", *flags, str(wanted))
    return program


def uv() -> Path:
    """Return the installer: it makes these environments in seconds, and they share their files."""
    with made_once(PYPI, "uv", INSTALLER.read_bytes(), sys.version.encode()) as (folder, is_new):
        programs = folder / "env" / "bin"
        if is_new:
            venv.create(folder / "env", clear=True, with_pip=True)
            required(str(programs / "python"), "-m", "pip", "-qq", "install", "-r", str(INSTALLER))
    return programs / "uv"


# --- for the tests ----------------------------------------------------------------------------


def or_skip(needed: Callable[[], Path]) -> Path:
    """Return what a test needs from elsewhere, or skip the test.

    In CI every tool is installed, so there the test fails.
    """
    try:
        return needed()
    except NotInstalledError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


if __name__ == "__main__":
    sdks()
    installed(CONFORMANCE)
    installed(BROWSER)
    for requirements in sorted(REQUIREMENTS.glob("*.txt")):
        python(requirements.stem)
    sys.stdout.write(f"{run([str(node()), '--version']).stdout.strip()} is ready\n")
