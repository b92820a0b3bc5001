"""JSON altered as JSON: a member gone, moved, repeated, renamed, nested, or something else."""

import json
import random
from collections.abc import Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, 2**53, 2**64, "", " ", "x", "é", "\u0000", "\r\n", "\\",
    "/", "..", "%2e", "#", "#/", "#/paths", "{x}", "\ud83d\ude00", "a" * 70, "b" * 1100,
    [], [1], [[]], {}, {"": 1}, {"$ref": "#"}, {"$ref": 3},
)  # fmt: skip
"""What nobody expects in most places."""

_MOST_PLACES = 2_000


def mutated(data: bytes, source: random.Random, words: Sequence[bytes]) -> bytes | None:
    """The text with a few places altered; None if it is not JSON that can be."""
    try:
        root = [json.loads(data)]
    except (ValueError, RecursionError):
        return None
    for _ in range(source.choice((1, 1, 1, 2, 3, 5))):
        holder, key = source.choice(_places(root))
        _alter(holder, key, source, words, root)
    try:
        return json.dumps(root[0], ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key or index there."""
    found: list[tuple[Any, Any]] = []
    holders: list[Any] = [root]
    while holders and len(found) < _MOST_PLACES:
        holder = holders.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                holders.append(holder[key])
    return found


def _alter(
    holder: Any, key: Any, source: random.Random, words: Sequence[bytes], root: list[Any]
) -> None:
    """Something else in this place, or nothing, or the same under another name."""
    value, word = holder[key], source.choice(words).decode("utf-8", "replace")
    kind = source.randrange(8)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[word] = holder.pop(key) if source.random() < 0.5 else _copy(value)
    elif kind == 2:
        other, there = source.choice(_places(root))
        holder[key] = _copy(other[there])
    else:
        holder[key] = _another(value, source, word)


def _another(value: Any, source: random.Random, word: str) -> Any:
    """A value in place of this one: unlike it, around it, or like it."""
    kind = source.randrange(6)
    if kind == 0:
        return _copy(source.choice(ODD))
    if kind == 1:
        return word
    if kind == 2:
        return {word: value} if source.random() < 0.5 else [value] * source.choice((1, 2, 40))
    if isinstance(value, dict):
        return {**value, word: _copy(source.choice(ODD))}
    if isinstance(value, list):
        return [*value, word]
    if isinstance(value, str):
        at = source.randrange(len(value) + 1)
        return value[:at] + word + value[at + source.randrange(3) :]
    return (value or 0) * source.choice((-1, 2, 1000)) + source.randrange(2)


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
