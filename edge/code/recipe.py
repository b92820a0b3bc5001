"""What a deployment's code is made of, and what is installed for it. Pure."""

import hashlib
import re
import tomllib
from dataclasses import dataclass

import orjson

from edge.code.limits import CodeError
from edge.functions import Run

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[A-Za-z0-9._,\s-]*\])?\s*([<>=!~].*)?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Equal recipes make equal code.

    Attributes:
        slug: the function; no two share code, for each may have a user of its own.
        archive: SHA-256 of its files as a tar, in hex.
        entrypoint, build: as in `edge.functions.Run`.
    """

    slug: str
    archive: str
    entrypoint: str
    build: tuple[str, ...]

    @classmethod
    def of(cls, slug: str, archive: str, run: Run) -> "Recipe":
        """The recipe of a function that the edge runs."""
        return cls(slug, archive, run.entrypoint, run.build)

    @property
    def digest(self) -> str:
        """SHA-256, in hex: the name of what is made."""
        return hashlib.sha256(
            orjson.dumps([self.slug, self.archive, self.entrypoint, self.build])
        ).hexdigest()


def dependencies(pyproject: str) -> tuple[str, ...]:
    """`project.dependencies` of a pyproject.toml (PEP 621).

    Raises:
        CodeError: it is no TOML, or they are no list of strings.
    """
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise CodeError(f"{PYPROJECT} is not TOML: {error}") from None
    found = project.get("dependencies", []) if isinstance(project, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise CodeError(f"{PYPROJECT}: project.dependencies must be a list of strings")
    return tuple(found)


def stands_alone(requirements: str) -> bool:
    """Whether requirements are names and versions only, so that equal texts install the same.

    Options, other files, paths and URLs are not: what they lead to may have changed.
    """
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    return all(_PLAIN.fullmatch(line.partition(";")[0].strip()) for line in lines if line)


def is_empty(requirements: str) -> bool:
    """Whether there is nothing to install."""
    return not any(line.partition("#")[0].strip() for line in requirements.splitlines())
