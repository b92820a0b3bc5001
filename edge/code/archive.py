"""A project's files as one tar (POSIX.1-2001 pax), equal for equal files, and unpacked with care.

An archive comes from whoever may deploy; it is still read as a stranger's: nothing is written but
plain files, directories and links within the directory, no more than the limits say.
"""

import hashlib
import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from edge.code.collect import SourceFile
from edge.code.limits import CodeError, Limits, leads_out, wrong_path

_BLOCK = 256 * 1024


def pack(directory: Path, files: Iterable[SourceFile], out: IO[bytes]) -> None:
    """Write the files as a tar: by path, without times and owners.

    Raises:
        CodeError: one has changed since it was collected, or cannot be read.
    """
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(files, key=lambda file: file.path):
            member = tarfile.TarInfo(file.path)
            member.mode = 0o755 if file.executable else 0o644
            if file.link:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, file.link, 0o777
                tar.addfile(member)
                continue
            member.size = file.size
            with _opened(directory, file) as source:
                tar.addfile(member, source)


def add(source: Path, name: str, content: bytes, to: Path) -> None:
    """Copy an archive (a tar.gz) with one more file at its top. Raises OSError."""
    with (
        tarfile.open(source, mode="r:gz") as held,
        tarfile.open(to, mode="w:gz", format=tarfile.PAX_FORMAT) as tar,
    ):
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        tar.addfile(member, io.BytesIO(content))
        for each in held:
            tar.addfile(each, held.extractfile(each) if each.isreg() else None)


def digest(archive: Path) -> str:
    """SHA-256 of an archive, in hex. Raises OSError."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(archive: Path, limits: Limits) -> tuple[SourceFile, ...]:
    """What an archive holds, checked as for unpacking; CodeError says what is wrong with it."""
    with _tar(archive) as tar:
        return tuple(_source(member) for member in _checked(tar, limits) if not member.isdir())


def unpack(archive: Path, directory: Path, limits: Limits) -> None:
    """Write an archive's files into a directory that is empty and ours alone.

    Links come last, so that nothing is written through one. What has been written is left where
    the archive turns out to be bad: the caller removes the directory.

    Raises:
        CodeError: it is no tar, or holds anything but files, directories and links within it.
    """
    links = []
    with _tar(archive) as tar:
        for member in _checked(tar, limits):
            path = directory / member.name
            if member.issym():
                links.append(member)
            elif member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, tar.extractfile(member), member)
    _make_links(directory, links)


def _make_links(directory: Path, links: Iterable[tarfile.TarInfo]) -> None:
    made = []
    try:
        for member in links:
            path = directory / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(member.linkname)
            made.append(path)
    except OSError as error:
        raise CodeError(f"The archive holds two things at one place: {error.strerror}") from None
    root = directory.resolve()
    for path in made:  # through other links, a link may lead out that does not by its word
        if not path.resolve().is_relative_to(root):
            raise CodeError(f"The link {path.relative_to(directory)} leads out of the project")


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, mode="r:", errorlevel=2) as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise CodeError(f"The code is no archive that can be read: {error}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise CodeError(f"The archive holds two things at one place: {error.strerror}") from None


def _checked(tar: tarfile.TarFile, limits: Limits) -> Iterator[tarfile.TarInfo]:
    """The members, each checked before it is looked into; the limits hold while they come."""
    sizes: dict[str, int] = {}
    directories: set[str] = set()
    total = 0
    for member in tar:
        _check_member(member)
        if member.name in sizes or member.name in directories:
            raise CodeError(f"The archive holds {member.name} twice")
        if member.isdir():
            directories.add(member.name)
        else:
            sizes[member.name] = member.size
            total += member.size
        if len(directories) > limits.files:
            raise CodeError(f"The code has over {limits.files:,} directories (code_files)")
        if len(sizes) > limits.files or total > limits.size:
            limits.check(sizes.items())
        yield member


def _check_member(member: tarfile.TarInfo) -> None:
    wrong = wrong_path(member.name)
    if wrong:
        raise CodeError(f"The archive's file {member.name[:200]!r} {wrong}")
    if member.issym():
        if leads_out(member.name, member.linkname):
            raise CodeError(f"The link {member.name} leads out of the project")
    elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        raise CodeError(f"The archive's {member.name} is neither a file nor a directory nor a link")
    if member.issparse() or member.size < 0 or (member.size and not member.isreg()):
        raise CodeError(f"The archive's {member.name} is not stored plainly")


def _write(path: Path, source: Any, member: tarfile.TarInfo) -> None:
    mode = 0o755 if member.mode & 0o100 else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, mode), "wb") as file:
        shutil.copyfileobj(source, file, _BLOCK)
        if file.tell() != member.size:
            raise CodeError(f"The archive breaks off in {member.name}")


def _source(member: tarfile.TarInfo) -> SourceFile:
    return SourceFile(member.name, member.size, bool(member.mode & 0o100), member.linkname)


@contextmanager
def _opened(directory: Path, file: SourceFile) -> Iterator[IO[bytes]]:
    """A collected file, if it is still what it was."""
    try:
        descriptor = os.open(directory / file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise CodeError(f"{file.path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
            raise CodeError(f"{file.path} changed while it was read; deploy again")
        try:
            yield opened
        except OSError as error:
            raise CodeError(f"{file.path} changed while it was read ({error})") from None
