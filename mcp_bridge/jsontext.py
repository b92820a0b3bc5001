"""JSON text in and out, with the bounds that everything from outside is held to. Pure.

The one home of `orjson`; nothing here knows what the JSON means.
"""

import json
from typing import Any

import orjson

_DIGITS = bytes(48 if 48 <= byte <= 57 else 45 if byte == 45 else 32 for byte in range(256))
_LONG, _LONG_BELOW = b"0" * 20, b"-" + b"0" * 19
"""Digits in a row that may be an integer of more than 64 bits, which `orjson` rounds."""

_CONTAINERS = (dict, list)

MAX_DEPTH = 128
"""Nesting of arrays and objects that is accepted, the outermost counted as 1."""


class JSONError(ValueError):
    """Text that is not JSON (RFC 8259), or is nested too deeply.

    Attributes:
        line, column: where, counted from 1; 1 and 1 for what has no place.
        too_deep: whether depth is what is wrong.
    """

    def __init__(
        self, message: str, line: int = 1, column: int = 1, *, too_deep: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.too_deep = too_deep


def parse(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text: UTF-8, no `NaN` or `Infinity`, no lone surrogate.

    Integers of any size stay what they are, up to what a double can hold at all.

    Raises:
        JSONError: it is not JSON, or nested more than `max_depth` levels deep.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        deep = "depth limit" in problem.msg
        said = f"nested deeper than {max_depth} levels" if deep else problem.msg
        raise JSONError(said, problem.lineno, problem.colno, too_deep=deep) from None
    # There are never more levels than brackets: most texts need no look at their value.
    if data.count(b"{") + data.count(b"[") > max_depth and is_deeper_than(value, max_depth):
        raise JSONError(f"nested deeper than {max_depth} levels", too_deep=True)
    digits = data.translate(_DIGITS)
    return json.loads(data) if _LONG in digits or _LONG_BELOW in digits else value


def dump(value: Any) -> bytes:
    """A value as compact UTF-8 JSON; integers of any size."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def is_deeper_than(value: Any, limit: int) -> bool:
    """Whether arrays and objects are nested more than `limit` deep."""
    level = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, _CONTAINERS)
        ]
    return False


def has_more_than(value: Any, limit: int) -> bool:
    """Whether there are more values inside a value than that, at whatever depth."""
    left, inside = limit, [value]
    while inside:
        one = inside.pop()
        if isinstance(one, dict | list):
            left -= len(one)
            if left < 0:
                return True
            inside.extend(one.values() if isinstance(one, dict) else one)
    return False
