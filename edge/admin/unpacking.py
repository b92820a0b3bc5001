"""Unpacks a backup into a directory of its own, every byte of it checked before any is used.

The file may have been cut short, altered by chance or made to do harm: nothing is written but
contents under their hashes, and then the files of the manifest by paths that were looked at.
"""

import hashlib
import os
import shutil
import tarfile
from pathlib import Path
from typing import IO

from edge.admin.backing_up import PLAIN
from edge.admin.backup_format import (
    CONTENT,
    LARGEST_MANIFEST,
    MANIFEST,
    SEAL,
    Entry,
    Manifest,
    bad,
    read_manifest,
    seal,
)
from tokens.database import FILE

_CONTENTS = ".contents"
_BLOCK = 1024 * 1024


def unpack(file: Path, to: Path) -> Manifest:
    """Unpack a backup into an empty directory that is ours alone.

    Links come last, so that nothing is written through one. What has been written is left where
    the backup turns out to be bad: the caller removes the directory.

    Raises:
        AdminError: it is no backup, or not whole.
        OSError: it cannot be read, or the directory not be written.
    """
    contents = to / _CONTENTS
    contents.mkdir(mode=0o700)
    try:
        with file.open("rb") as opened, tarfile.open(fileobj=opened, mode="r|") as tar:
            manifest = _read(tar, contents)
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise bad(f"{file} is not a whole backup ({error})") from None
    if FILE not in {entry.path for entry in manifest.entries}:
        raise bad("there is no store in it")
    _Placing(contents, to).all(manifest)
    shutil.rmtree(contents)
    return manifest


def _read(tar: tarfile.TarFile, contents: Path) -> Manifest:
    manifest, sealed = b"", b""
    for member in tar:
        content = tar.extractfile(member) if member.type == tarfile.REGTYPE else None
        if content is None:
            raise bad(f"its member {member.name[:200]!r} is no plain file")
        if match := CONTENT.fullmatch(member.name):
            _keep(content, contents / match[1], match[1])
        elif member.name == MANIFEST and member.size <= LARGEST_MANIFEST:
            manifest = content.read()
        elif member.name == SEAL and member.size <= _BLOCK:
            sealed = content.read()
        else:
            raise bad(f"it holds {member.name[:200]!r}, which no backup does")
    if not sealed or sealed != seal(hashlib.sha256(manifest).hexdigest()):
        raise bad("it is not whole, or was altered: its manifest does not match its hash")
    return read_manifest(manifest, PLAIN)


def _keep(content: IO[bytes], path: Path, digest: str) -> None:
    found = hashlib.sha256()
    with path.open("xb") as file:
        while block := content.read(_BLOCK):
            found.update(block)
            file.write(block)
    if found.hexdigest() != digest:
        raise bad("it is not whole, or was altered: a content does not match its hash")


class _Placing:
    """Contents on their way to their paths.

    Files of one content share it if mode and group are the same: nobody may write there, and it is
    how packages of several versions are kept.
    """

    def __init__(self, contents: Path, to: Path) -> None:
        self._contents = contents
        self._to = to
        self._placed: dict[tuple[str, int, int | None], Path] = {}

    def all(self, manifest: Manifest) -> None:
        """Directories and files, then links, then the modes of directories."""
        directories = [entry for entry in manifest.entries if entry.is_directory]
        for entry in directories:
            self._path(entry).mkdir(mode=0o700, parents=True)
        for entry in manifest.entries:
            if entry.content:
                self._file(entry)
        for entry in manifest.entries:
            if entry.link:
                self._path(entry).symlink_to(entry.link)
        for entry in reversed(directories):
            _belong(self._path(entry), entry)

    def _file(self, entry: Entry) -> None:
        path, key = self._path(entry), (entry.content, entry.mode, entry.group)
        if key in self._placed and entry.path.startswith("code/"):
            os.link(self._placed[key], path)
            return
        content = self._contents / entry.content
        if not content.exists() or content.stat().st_size != entry.size:
            raise bad(f"the content of {entry.path[:200]!r} is not in it")
        shutil.copyfile(content, path)
        _belong(path, entry)
        self._placed[key] = path

    def _path(self, entry: Entry) -> Path:
        return self._to / entry.path


def _belong(path: Path, entry: Entry) -> None:
    path.chmod(entry.mode)
    if entry.group is not None and os.geteuid() == 0:
        os.chown(path, -1, entry.group)
