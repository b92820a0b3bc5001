"""Where in a JSON text each key and element stands, and which keys stand twice. Pure.

Not a validator: the text must already be known to be JSON (RFC 8259).
"""

import json
import re
from bisect import bisect_left
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""The keys and indexes that lead from the root to a value."""

MAX_DEPTH = 128

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class TooDeep(ValueError):
    """The text nests deeper than `MAX_DEPTH` levels.

    Attributes:
        line: where the level too many opens, from 1.
    """

    def __init__(self, line: int) -> None:
        super().__init__(f"nested deeper than {MAX_DEPTH} levels")
        self.line = line


@dataclass(frozen=True, slots=True)
class Positions:
    """Line numbers, from 1, by path; and the paths of keys that were given before, with lines."""

    lines: dict[Path, int]
    repeated: tuple[tuple[Path, int], ...]

    def line(self, path: Path) -> int:
        """The line of a key or element, or of the nearest container that the text has."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


@dataclass(slots=True)
class _Container:
    path: Path
    is_object: bool
    key: str | int = 0
    expects_key: bool = False
    keys: set[str | int] = field(default_factory=set)

    def next_member(self) -> None:
        if self.is_object:
            self.expects_key = True
        elif isinstance(self.key, int):
            self.key += 1


def locate(text: str) -> Positions:
    """The positions of everything in a JSON text.

    Raises:
        TooDeep: more than `MAX_DEPTH` levels.
    """
    newlines = [match.start() for match in re.finditer("\n", text)]
    lines: dict[Path, int] = {(): 1}
    repeated: list[tuple[Path, int]] = []
    stack: list[_Container] = []
    for match in _TOKEN.finditer(text):
        token, line = match[0], bisect_left(newlines, match.start()) + 1
        if token in ("}", "]"):
            stack.pop()
        elif token == ",":
            stack[-1].next_member()
        elif token == ":":
            stack[-1].expects_key = False
        elif stack and stack[-1].expects_key:
            _take_key(stack[-1], json.loads(token), line, lines, repeated)
        else:
            _take_value(stack, token, line, lines)
    return Positions(lines, tuple(repeated))


def _take_key(
    container: _Container,
    key: str,
    line: int,
    lines: dict[Path, int],
    repeated: list[tuple[Path, int]],
) -> None:
    path = (*container.path, key)
    if key in container.keys:
        repeated.append((path, line))
    container.keys.add(key)
    container.key = key
    lines[path] = line


def _take_value(stack: list[_Container], token: str, line: int, lines: dict[Path, int]) -> None:
    container = stack[-1] if stack else None
    path = (*container.path, container.key) if container else ()
    if container is None or not container.is_object:
        lines[path] = line
    if token in ("{", "["):
        if len(stack) == MAX_DEPTH:
            raise TooDeep(line)
        stack.append(_Container(path, token == "{", expects_key=token == "{"))
