"""File systems of a test's own, for what only a file system can do. Root alone can mount them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes at an empty directory; the test is skipped where that cannot be."""
    place.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def read_only(source: Path, place: Path) -> Iterator[Path]:
    """A directory seen through a mount that takes no writes."""
    place.mkdir()
    _mount("--bind", str(source), str(place))
    try:
        _mount("-o", "remount,bind,ro", str(place))
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all room that is left."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (64 * 1024, 4096, 512, 1):
            try:
                while file.write(bytes(size)) == size:
                    continue
            except OSError:
                continue
    return path


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a file system")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
