"""How much code a deployment may be, and the error that says it is too much or unfit. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_PATH = 1024
"""Bytes of a file's path within its project."""

LONGEST_NAME = 255
"""Bytes of one name in it, as file systems have it (NAME_MAX)."""

_SHOWN = 3


class CodeError(Exception):
    """Files that cannot be deployed; the text names them and says what to change."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the edge takes.

    Attributes:
        files: how many, links included.
        size: bytes of all of them together.
    """

    files: int
    size: int

    @property
    def archive(self) -> int:
        """Bytes that an archive within the limits may have: headers and padding included."""
        return self.size + self.files * (4096 + LONGEST_PATH) + 64 * 1024

    def check(self, sizes: Iterable[tuple[str, int]]) -> None:
        """Refuse paths with their sizes that are too many or too large; raises CodeError."""
        found = list(sizes)
        if len(found) > self.files:
            most = _largest((path, 1) for path, _ in found)
            where = ", ".join(f"{name} ({count:,})" for name, count in most)
            raise CodeError(
                f"The project has {len(found):,} files; {self.files:,} is the most "
                f"(code_files). Most are in {where}; {_ADVICE}"
            )
        total = sum(size for _, size in found)
        if total > self.size:
            most = _largest(found)
            where = ", ".join(f"{name} ({readable(size)})" for name, size in most)
            raise CodeError(
                f"The project has {readable(total)}; {readable(self.size)} is the most "
                f"(code_size). The largest are {where}; {_ADVICE}"
            )


_ADVICE = "name what need not be deployed in .jelouignore"


def readable(size: int) -> str:
    """A size as the platform writes it: `800 B`, `1.2 KB`, `3.4 MB`."""
    if size < 1000:
        return f"{size} B"
    value, unit = size / 1000, "KB"
    if value >= 999.95:
        value, unit = value / 1000, "MB"
    return f"{value:.1f} {unit}".replace(".0 ", " ")


def wrong_path(path: str) -> str | None:
    """Why a path cannot stand in a project, or None: relative, plain names, no way out."""
    if not path or "\0" in path or any(ord(char) < 32 or ord(char) == 127 for char in path):
        return "has a control character or no name"
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names):
        return "is not a plain path within the project"
    if len(raw) > LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in names):
        return f"is longer than {LONGEST_PATH} bytes, or a name in it than {LONGEST_NAME}"
    return None


def leads_out(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` names a place outside of the project, taken by its word."""
    if not target or "\0" in target or target.startswith("/"):
        return True
    depth = path.count("/")
    for name in target.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(name, 1)
        if depth < 0:
            return True
    return False


def _largest(found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The places at the top of the project that weigh most."""
    weights: dict[str, int] = {}
    for path, weight in found:
        top, slash, _ = path.partition("/")
        weights[top + slash] = weights.get(top + slash, 0) + weight
    return sorted(weights.items(), key=lambda one: -one[1])[:_SHOWN]
