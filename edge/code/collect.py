"""Which files of a project directory are deployed.

Everything, but what is excluded below and in `.jelouignore`, whose lines are those of a
`.gitignore`; one with `!` takes something in again. Not here: reading them (`archive.py`).
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from edge.code.limits import CodeError, Limits, leads_out, wrong_path

IGNORE_FILE = ".jelouignore"

EXCLUDED = (
    ".*",
    "node_modules/",
    "dist/",
    "__pycache__/",
    "*.pyc",
    "venv/",
)
"""Left out unless `.jelouignore` takes them in: hidden files, and what is made anew."""

NEVER = frozenset({".env", ".git", ".jelou"})
"""Names that are left out whatever is written: they hold secrets, or are of no use elsewhere."""

PROJECT_FILE = "jelou.json"
"""At the top it is no file of the code: it is sent for itself, so that it may change alone."""

_LARGEST_IGNORE = 64 * 1024
_MOST_ENTRIES = 200_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be deployed, as it was when it was found.

    Attributes:
        path: within the project, with slashes.
        size: bytes; 0 for a link.
        executable: whether its owner may execute it.
        link: what a symbolic link names, else empty.
    """

    path: str
    size: int
    executable: bool = False
    link: str = ""


def collect(directory: Path, limits: Limits) -> tuple[SourceFile, ...]:
    """The files of a project, by path.

    Raises:
        CodeError: they are too many or too large, one of them is no plain file, or a link leads out
            of the project.
    """
    rules = _rules(directory)
    try:
        found = sorted(_walked(directory, "", rules), key=lambda file: file.path)
    except OSError as error:
        raise CodeError(f"{error.filename} cannot be read: {error.strerror}") from None
    limits.check((file.path, file.size) for file in found)
    return tuple(found)


def _rules(directory: Path) -> GitIgnoreSpec:
    path = directory / IGNORE_FILE
    try:
        text = path.read_text("utf-8") if path.stat().st_size <= _LARGEST_IGNORE else None
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise CodeError(f"{path} cannot be read: {error}") from None
    if text is None:
        raise CodeError(f"{path} is over {_LARGEST_IGNORE // 1024} KiB")
    try:
        return GitIgnoreSpec.from_lines([*EXCLUDED, *text.splitlines()])
    except ValueError as error:
        raise CodeError(f"{path}: {error}") from None


def _walked(directory: Path, above: str, rules: GitIgnoreSpec) -> Iterator[SourceFile]:
    """The files of a directory and all below it; links are not followed."""
    seen = 0
    waiting = [above]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(directory / prefix) as entries:
            for entry in entries:
                seen += 1
                if seen > _MOST_ENTRIES:
                    raise CodeError(
                        f"The project has over {_MOST_ENTRIES:,} files, many in {prefix or '.'}; "
                        f"name what need not be deployed in {IGNORE_FILE}"
                    )
                path = prefix + entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                if _is_left_out(path, is_directory, rules):
                    continue
                if is_directory:
                    waiting.append(f"{path}/")
                else:
                    yield _file(directory, path, entry.stat(follow_symlinks=False))


def _is_left_out(path: str, is_directory: bool, rules: GitIgnoreSpec) -> bool:
    name = path.rpartition("/")[2]
    never = name in NEVER or name.startswith(".env.")
    return never or path == PROJECT_FILE or rules.match_file(f"{path}/" if is_directory else path)


def _file(directory: Path, path: str, found: os.stat_result) -> SourceFile:
    wrong = wrong_path(path)
    if wrong:
        raise CodeError(f"The file {path!r} cannot be deployed: its path {wrong}")
    if stat.S_ISLNK(found.st_mode):
        return SourceFile(path, 0, link=_link(directory, path))
    if not stat.S_ISREG(found.st_mode):
        raise CodeError(f"{path} is neither a file nor a directory; name it in {IGNORE_FILE}")
    return SourceFile(path, found.st_size, bool(found.st_mode & 0o100))


def _link(directory: Path, path: str) -> str:
    target = os.readlink(directory / path)
    root = directory.resolve()
    inside = (directory / path).resolve().is_relative_to(root)
    if leads_out(path, target) or not inside:
        raise CodeError(
            f"The link {path} leads out of the project, to {target}; "
            f"put what it names into the project, or name the link in {IGNORE_FILE}"
        )
    return target
