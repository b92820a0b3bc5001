"""What is fuzzed: a module of this directory for each target.

Each has `check(data)`, which raises for a fault and for nothing else, and `WORDS`, of which inputs
are likely to be made. It imports what it checks at its top, where the fuzzer instruments it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.fuzz.pieces import stretched

NAMES = (
    "request_heads",
    "request_bodies",
    "answers",
    "session_ids",
    "token_forms",
    "project_files",
    "openapi",
    "arguments",
)

JSON = frozenset({"project_files", "openapi", "arguments"})
"""Targets whose inputs are JSON, altered as such."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Target:
    """One of them.

    Attributes:
        words: pieces of which inputs are likely to be made.
    """

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]

    @property
    def is_json(self) -> bool:
        """Whether inputs are altered as JSON values, not as bytes alone."""
        return self.name in JSON

    @property
    def seeds(self) -> list[bytes]:
        """Inputs to begin with."""
        return [path.read_bytes() for path in sorted((HERE / "seeds" / self.name).iterdir())]


def load(name: str) -> Target:
    """The target of this name."""
    module = import_module(f"tests.fuzz.{name}")

    def check_long_too(data: bytes) -> None:
        module.check(data)
        long = stretched(data)
        if long is not None:
            module.check(long)

    return Target(name, module.check if name in JSON else check_long_too, module.WORDS)


def kept(name: str) -> list[Path]:
    """The files of a target: its seeds, then what was once found to be a fault."""
    return [path for folder in folders(name) for path in sorted(folder.iterdir())]


def folders(name: str) -> list[Path]:
    """The directories of a target's files, those that are there."""
    both = (HERE / kind / name for kind in ("seeds", "cases"))
    return [folder for folder in both if folder.is_dir()]
