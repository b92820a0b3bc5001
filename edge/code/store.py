"""The code of deployments on disk: `code/<digest>/` in the data directory, immutable once made.

It is made where it stays, since what is installed and built names its own place; a marker written
last says that it is whole, and what lacks it is made anew. It belongs to the edge's user; the
function's may read it. Not here: what makes it (`making.py`).
"""

import fcntl
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.code import archive
from edge.code.collect import SourceFile
from edge.code.command import Owner
from edge.code.limits import CodeError, Limits

DIRECTORY = "code"

UPLOADS_KEPT = 3600.0
"""Seconds for which files that were sent wait for their deploy."""

MOST_UPLOADS = 20
"""The newest that wait at a time."""

_WHOLE = "whole"
_DIGEST = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """Files that were sent.

    Attributes:
        digest: SHA-256 of their tar, in hex.
    """

    digest: str
    files: tuple[SourceFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Code:
    """One deployment's code on disk.

    Attributes:
        directory: it all.
    """

    directory: Path

    @property
    def files(self) -> Path:
        """The project's own files, with what its build has made."""
        return self.directory / "files"

    @property
    def packages(self) -> Path:
        """What was installed for it; missing if there was nothing to install."""
        return self.directory / "packages"

    @property
    def source(self) -> Path:
        """The files as they were sent: a tar, compressed by gzip."""
        return self.directory / "source.tar.gz"

    @property
    def is_whole(self) -> bool:
        """Whether it has been made to the end."""
        return (self.directory / _WHOLE).exists()


class CodeStore:
    """The code in one data directory. Every call blocks; safe in several processes.

    Attributes:
        root: the directory that holds it all.
    """

    def __init__(self, data_dir: Path, limits: Limits) -> None:
        self.root = data_dir / DIRECTORY
        self.limits = limits

    def code(self, digest: str) -> Code:
        """Where a digest's code lies, or would lie."""
        return Code(self.root / digest)

    def put(self, sent: Path) -> Stored:
        """Keep an archive for a deploy that is to come.

        Raises:
            CodeError: it is no archive, or over the limits.
            OSError: it cannot be kept.
        """
        files = archive.listed(sent, self.limits)
        digest = archive.digest(sent)
        with self.held():
            _copy(sent, self._upload(digest))
            self._forget_uploads(time.time() - UPLOADS_KEPT)
        return Stored(digest, files)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is pruned meanwhile: what is being made is not named by any deployment yet."""
        self._prepare()
        with self._locked("lock", fcntl.LOCK_SH):
            yield

    @contextmanager
    def making(self, digest: str, upload: str) -> Iterator[Code | None]:
        """Unpack an upload for code that is to be made; None if it has been made already.

        Whole once the context ends without an error; with one, nothing is left.

        Raises:
            CodeError: the upload is not here any more, or is bad.
        """
        code = self.code(digest)
        with self._locked(f"{digest}.lock", fcntl.LOCK_EX):
            if code.is_whole:
                yield None
                return
            _remove(code.directory)
            try:
                self._unpack(upload, code)
                yield code
                _write_down(code)
            except BaseException:
                _remove(code.directory)
                raise

    def seal(self, code: Code, owner: Owner | None) -> None:
        """Let nobody change it, and nobody read it but the edge and the function."""
        for path in (code.directory, *_below(code.directory)):
            if not path.is_symlink():
                is_open = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o750 if is_open else 0o640)
            if owner is not None:
                os.chown(path, os.geteuid(), owner.gid, follow_symlinks=False)

    def hand(self, path: Path, owner: Owner | None) -> None:
        """Make a directory, with all in it, somebody's who is to write there."""
        if owner is not None:
            for each in (path, *_below(path)):
                os.chown(each, owner.uid, owner.gid, follow_symlinks=False)

    def prune(self, named: Callable[[], Collection[str]]) -> None:
        """Remove code that no deployment names; another time, if some is being made now.

        Args:
            named: gives the digests that are named, asked while no deployment can be made.
        """
        if not self.root.is_dir():
            return
        with self._locked("lock", fcntl.LOCK_EX | fcntl.LOCK_NB) as ours:
            kept = named() if ours else ()
            for path in self.root.iterdir() if ours else ():
                name = path.name.removesuffix(".lock")
                if len(name) == _DIGEST and name not in kept:
                    _remove(path)

    def everything(self) -> list[Code]:
        """All code that is whole, the newest first."""
        found = [Code(path) for path in self.root.iterdir() if len(path.name) == _DIGEST]
        whole = [code for code in found if code.is_whole]
        return sorted(whole, key=lambda code: -code.directory.stat().st_mtime)

    def _upload(self, digest: str) -> Path:
        return self.root / "uploads" / f"{digest}.tar"

    def _unpack(self, upload: str, code: Code) -> None:
        sent = self._upload(upload)
        code.files.mkdir(parents=True)
        try:
            archive.unpack(sent, code.files, self.limits)
            with sent.open("rb") as plain, gzip.GzipFile(code.source, "wb", mtime=0) as packed:
                shutil.copyfileobj(plain, packed)
        except FileNotFoundError:
            raise CodeError("The code is not here any more; send it again") from None

    def _forget_uploads(self, before: float) -> None:
        found = sorted((self.root / "uploads").iterdir(), key=_written, reverse=True)
        for number, path in enumerate(found):
            if number >= MOST_UPLOADS or _written(path) < before:
                path.unlink(missing_ok=True)

    def _prepare(self) -> None:
        """The directories; as root, functions of users of their own must get at theirs."""
        self.root.mkdir(mode=0o700, exist_ok=True)
        (self.root / "uploads").mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            for path in (self.root, self.root.parent):
                path.chmod(path.stat().st_mode & 0o777 | 0o011)

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[bool]:
        """Hold a lock among all processes; whether it was to be had, if it is not waited for."""
        path = self.root / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, how)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _written(path: Path) -> float:
    """When a file was written, Unix time; 0 if it is gone."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _copy(source: Path, target: Path) -> None:
    """A copy that is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            with source.open("rb") as opened:
                shutil.copyfileobj(opened, file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, target)
        except BaseException:
            os.unlink(file.name)
            raise


def _write_down(code: Code) -> None:
    """Say that it is whole, once all of it is on the disk."""
    os.sync()
    descriptor = os.open(code.directory / _WHOLE, os.O_WRONLY | os.O_CREAT, 0o600)
    os.fsync(descriptor)
    os.close(descriptor)


def _below(directory: Path) -> Iterator[Path]:
    for above, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield Path(above) / name


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
