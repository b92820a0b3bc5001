"""Makes a backup of a data directory, also while an edge serves it: one file, whole or not at all.

Not here: what it looks like (`backup_format.py`), and how it is put back (`restoring.py`).
"""

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.admin.backup_format import MANIFEST, SEAL, Entry, Manifest, seal
from edge.admin.errors import AdminError
from edge.admin.times import Time
from edge.code.limits import Limits
from edge.code.store import DIRECTORY, CodeStore
from edge.cron.signing_secrets import KEYS as CRON_KEYS
from edge.secrets.store import KEYS as SECRET_KEYS
from edge.state.kept import EDGE_ID, SEALING_KEYS, SESSION_KEYS
from tokens.copies import Stand, snapshot
from tokens.database import FILE
from tokens.generation import sync_directory

OPENERS = (SECRET_KEYS, CRON_KEYS)
"""Files of keys without which the store's secrets cannot be read."""

OTHERS = (SESSION_KEYS, SEALING_KEYS, EDGE_ID)
"""Files of what clients hold: session ids, seals, the edge's name."""

PLAIN = (FILE, *OPENERS, *OTHERS)
"""What a backup may hold of the data directory itself, beside code."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made.

    Attributes:
        file: its path.
        size: bytes.
        created: the moment that it shows, by the store's clock.
        files: how many it holds, the store's own among them.
        code: how many versions of functions' code are among them.
    """

    file: str
    size: int
    created: Time
    generation: int
    files: int
    code: int


def back_up(directory: Path, to: Path, version: str) -> Backup:
    """Write a backup of a data directory to a file, mode 0600, in place of what is there.

    Raises:
        StoreError: the store cannot be read.
        AdminError: keys are being rotated without end.
        OSError: a file cannot be read, or the backup not be written.
    """
    with _draft(to) as draft, tempfile.TemporaryDirectory(dir=to.parent, prefix=".jelou-") as aside:
        copy = Path(aside) / FILE
        with draft.open("wb") as file, _code_held(directory):
            stand, keys = _together(directory, copy)
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                packing = _Packing(tar)
                packing.file(FILE, copy)
                for name, content in keys.items():
                    packing.bytes(name, content)
                packing.code(directory)
                packing.close(version, stand)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, to)
    sync_directory(to.parent)
    entries = packing.entries
    return Backup(
        file=str(to),
        size=to.stat().st_size,
        created=stand.clock,
        generation=stand.generation,
        files=sum(bool(entry.content) for entry in entries),
        code=sum(entry.path.count("/") == 1 for entry in entries),
    )


def _together(directory: Path, copy: Path) -> tuple[Stand, dict[str, bytes]]:
    """The store with keys that open it: none was rotated while the copy was made."""
    before = _keys(directory)
    for _ in range(_TRIES):
        copy.unlink(missing_ok=True)
        stand = snapshot(directory, copy)
        after = _keys(directory)
        if before == after:
            return stand, after
        before = after
    raise AdminError("TRANSIENT_ERROR", "Keys are being rotated all the time; try again")


def _keys(directory: Path) -> dict[str, bytes]:
    found = {}
    for name in (*OPENERS, *OTHERS):
        with suppress(FileNotFoundError):
            found[name] = (directory / name).read_bytes()
    return found


@contextmanager
def _draft(to: Path) -> Iterator[Path]:
    """A file beside another that is to become that one; gone at the end unless it did."""
    descriptor, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _code_held(directory: Path) -> Iterator[None]:
    """No code is removed meanwhile."""
    is_there = (directory / DIRECTORY).is_dir()
    store = CodeStore(directory, Limits(0, 0))
    with store.held() if is_there else nullcontext():
        yield


class _Packing:
    """A tar on its way.

    Attributes:
        entries: what is in it so far.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._contents: set[str] = set()
        self._hashes: dict[tuple[int, int], str] = {}
        self.entries: list[Entry] = []

    def bytes(self, path: str, content: bytes) -> None:
        """A file of so little content that it is read at once."""
        digest = hashlib.sha256(content).hexdigest()
        self._content(digest, len(content), io.BytesIO(content))
        self.entries.append(Entry(path, 0o600, digest, len(content)))

    def file(self, path: str, source: Path, *, mode: int = 0o600, group: int | None = None) -> None:
        """A file; links to one content cost its reading once."""
        with source.open("rb") as opened:
            found = os.fstat(opened.fileno())
            digest = self._hashes.get((found.st_dev, found.st_ino))
            if digest is None:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                self._hashes[found.st_dev, found.st_ino] = digest
                opened.seek(0)
            self._content(digest, found.st_size, opened)
        self.entries.append(Entry(path, mode, digest, found.st_size, group=group))

    def code(self, directory: Path) -> None:
        """All code that is whole; what is being made will be there after its deploy."""
        if (directory / DIRECTORY).is_dir():
            for code in CodeStore(directory, Limits(0, 0)).everything():
                self._tree(code.directory, f"{DIRECTORY}/{code.directory.name}")

    def close(self, version: str, stand: Stand) -> None:
        """What it all is, and the hash of that."""
        manifest = Manifest(version, stand.clock, stand.generation, tuple(self.entries)).to_json()
        self._member(MANIFEST, len(manifest), io.BytesIO(manifest))
        sealed = seal(hashlib.sha256(manifest).hexdigest())
        self._member(SEAL, len(sealed), io.BytesIO(sealed))

    def _tree(self, directory: Path, path: str) -> None:
        self._directory(directory, path)
        with os.scandir(directory) as found:
            below = sorted(found, key=lambda each: each.name)
        for each in below:
            inner = f"{path}/{each.name}"
            if each.is_symlink():
                self.entries.append(Entry(inner, 0o777, link=os.readlink(each.path)))
            elif each.is_dir():
                self._tree(Path(each.path), inner)
            elif each.is_file():
                found_stat = each.stat()
                mode = stat.S_IMODE(found_stat.st_mode)
                self.file(inner, Path(each.path), mode=mode, group=_group(found_stat))

    def _directory(self, directory: Path, path: str) -> None:
        found = directory.stat()
        self.entries.append(Entry(path, stat.S_IMODE(found.st_mode), group=_group(found)))

    def _content(self, digest: str, size: int, source: "io.BufferedIOBase") -> None:
        if digest not in self._contents:
            self._contents.add(digest)
            self._member(f"sha256/{digest}", size, source)

    def _member(self, name: str, size: int, source: "io.BufferedIOBase") -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, source)


def _group(found: os.stat_result) -> int | None:
    """The group of a file that is a function's, not the edge's own."""
    return None if found.st_gid == os.getegid() else found.st_gid
