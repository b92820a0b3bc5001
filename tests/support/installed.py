"""A release as people get it: its archives built once, and installed where nothing else is."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import ROOT

SECONDS = 500.0


@dataclass(frozen=True)
class Built:
    """The two archives of a release."""

    wheel: Path
    sdist: Path


def environ(**more: str) -> dict[str, str]:
    """The environment of a machine on which nobody works on the project."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CI")}
    return {**kept, **more}


def must(*command: str | Path, cwd: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run a program that has to succeed; what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environ() if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The archives, built from the tree by its build backend alone."""
    out = tmp_path_factory.mktemp("dist")
    must(sys.executable, "-m", "hatchling", "build", "--directory", out, cwd=ROOT)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="session")
def installed(built: Built) -> Iterator[Path]:
    """A virtual environment that every user may use, with the wheel and what it asks for."""
    with tempfile.TemporaryDirectory(prefix="jelou-edge-") as name:
        Path(name).chmod(0o755)
        place = Path(name) / "jelou-edge"
        everybodys = Path("/usr/bin/python3")
        must(everybodys if everybodys.exists() else sys.executable, "-m", "venv", place, cwd=name)
        must(place / "bin" / "pip", "install", "--quiet", built.wheel, cwd=name)
        yield place


def digest(data: bytes) -> str:
    """What two files are compared by."""
    return hashlib.sha256(data).hexdigest()
