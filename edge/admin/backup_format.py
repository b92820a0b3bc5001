"""What a backup is made of: a tar of contents named by their hash, and a manifest of files. Pure.

Members are `sha256/<hex>`, each content once, then `manifest.json`, which says what file is to hold
which content, then `manifest.sha256`. So nothing is written by a name that a tar says, and what was
cut short or altered by chance is found. Not here: files (`backing_up.py`, `restoring.py`).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.admin.errors import AdminError

FORMAT = 1
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
CONTENT = re.compile(r"sha256/([0-9a-f]{64})")
LARGEST_MANIFEST = 256 * 1024 * 1024
"""Bytes; some million files."""

_HASH = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"code/[0-9a-f]{64}(/.+)?")
_LINKED = re.compile(r"code/[0-9a-f]{64}/(files|packages)/.+")
_LARGEST_ID = 2**32 - 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, directory or link, by its path in the data directory.

    Attributes:
        content: SHA-256 of a file's content in hex; empty for what is no file.
        size: bytes of a file.
        mode: its permissions.
        link: where a symbolic link points to; empty for what is none.
        group: id of its group, where that is not the edge's own; a function's.
    """

    path: str
    mode: int
    content: str = ""
    size: int = 0
    link: str = ""
    group: int | None = None

    @property
    def is_directory(self) -> bool:
        """Whether it is neither a file nor a link."""
        return not (self.content or self.link)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        version: of the program that made it.
        created: Unix time, seconds, by the store's clock.
        generation: of the store.
        entries: a directory before what is in it.
    """

    version: str
    created: float
    generation: int
    entries: tuple[Entry, ...]

    def to_json(self) -> bytes:
        """As it stands in a backup."""
        head = {
            "format": FORMAT,
            "version": self.version,
            "created": self.created,
            "generation": self.generation,
        }
        # Not orjson: names that a build made up need not be UTF-8.
        return json.dumps(head | {"entries": list(map(_plain, self.entries))}).encode()


def seal(digest: str) -> bytes:
    """The last member: what `sha256sum -c` takes."""
    return f"{digest}  {MANIFEST}\n".encode()


def bad(why: str) -> AdminError:
    """The error for a file that is no backup, or a damaged one."""
    return AdminError("VALIDATION_ERROR", f"The backup cannot be used: {why}")


def read_manifest(text: bytes, allowed: Iterable[str]) -> Manifest:
    """A manifest that can be followed: every path where it belongs, none twice, none beyond a link.

    Args:
        allowed: names of files that may lie in the data directory itself.

    Raises:
        AdminError: it is not one; the text says why.
    """
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise bad(f"it is of format {found['format']}; this version reads {FORMAT}")
        entries = tuple(map(_entry, found["entries"]))
        manifest = Manifest(
            str(found["version"]), float(found["created"]), int(found["generation"]), entries
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise bad("its manifest is not one") from None
    _check(manifest.entries, frozenset(allowed))
    return manifest


def _plain(entry: Entry) -> dict[str, Any]:
    values = {
        "path": entry.path,
        "mode": entry.mode,
        "sha256": entry.content,
        "size": entry.size,
        "link": entry.link,
        "group": entry.group,
    }
    return {key: value for key, value in values.items() if value not in ("", None)}


def _entry(found: Any) -> Entry:
    entry = Entry(
        path=found["path"],
        mode=found["mode"] & 0o755,
        content=found.get("sha256", ""),
        size=found["size"],
        link=found.get("link", ""),
        group=found.get("group"),
    )
    texts = entry.path, entry.content, entry.link
    numbers = entry.size, entry.group or 0
    if not all(isinstance(text, str) for text in texts) or (entry.content and entry.link):
        raise ValueError
    if not all(isinstance(number, int) for number in numbers) or not entry.size >= 0:
        raise ValueError
    if entry.content and not _HASH.fullmatch(entry.content):
        raise ValueError
    if entry.group is not None and not 0 <= entry.group <= _LARGEST_ID:
        raise ValueError
    return entry


def _check(entries: Iterable[Entry], allowed: frozenset[str]) -> None:
    directories: set[str] = set()
    others: set[str] = set()
    for entry in entries:
        if not _is_plain(entry.path) or not _belongs(entry, allowed):
            raise bad(f"{entry.path[:200]!r} does not belong into a data directory")
        if entry.path in directories or entry.path in others:
            raise bad(f"{entry.path[:200]!r} is in it twice")
        above = entry.path.rpartition("/")[0]
        if above not in ("", "code") and above not in directories:
            raise bad(f"{entry.path[:200]!r} is in no directory of it")
        (directories if entry.is_directory else others).add(entry.path)


def _is_plain(path: str) -> bool:
    """Whether a path is relative and leads down alone."""
    names = path.split("/")
    return "\0" not in path and not any(name in ("", ".", "..") for name in names)


def _belongs(entry: Entry, allowed: frozenset[str]) -> bool:
    if entry.path in allowed:
        return bool(entry.content)
    if entry.link:
        return _LINKED.fullmatch(entry.path) is not None and "\0" not in entry.link
    return _CODE.fullmatch(entry.path) is not None
