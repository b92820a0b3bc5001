"""Raw request paths: which are plain, and which a template matches. Pure; nothing is ever decoded.

Scopes, public routes and tools all judge a path with these two functions, so that what is matched
is exactly what is sent on (RFC 3986 §6.2.2 normalisation is what attackers hide behind).
"""

import re
from dataclasses import dataclass, field

_ESCAPES = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)
_DOT_SEGMENT = re.compile(rb"(?:^|/)(?:\.|%2e){1,2}(?:[/;]|$)", re.IGNORECASE)
PARAMETER = re.compile(r"\{[^{}/]+\}|(?<=/):[A-Za-z_][A-Za-z0-9_]*")


def is_plain(path: bytes) -> bool:
    """Whether a path is free of everything that servers disagree about.

    Not plain is a path holding a dot segment (raw or encoded; also `..;x`, which servlet
    containers read as one), `//`, a backslash, `%2f`, `%5c` or `%00`: it matches no public route,
    tool or scope.
    """
    return not (
        b"//" in path or b"\\" in path or _ESCAPES.search(path) or _DOT_SEGMENT.search(path)
    )


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path with parameters, `/users/{id}` or `/users/:id`; each is one non-empty segment or part.

    `*` alone matches every path, also one that is not plain.
    """

    text: str
    parameters: int = field(init=False, compare=False)
    _pattern: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile once: templates are matched on every request of a function that has them."""
        object.__setattr__(self, "parameters", len(PARAMETER.findall(self.text)))
        object.__setattr__(self, "_pattern", _compile(self.text))

    def matches(self, path: bytes) -> bool:
        """Whether the raw path (no query) is one of this template's, byte for byte."""
        if self.text == "*":
            return True
        return is_plain(path) and self._pattern.fullmatch(path) is not None


def _compile(text: str) -> re.Pattern[bytes]:
    pieces: list[str] = []
    end = 0
    for parameter in PARAMETER.finditer(text):
        pieces += [re.escape(text[end : parameter.start()]), "[^/]+"]
        end = parameter.end()
    pieces.append(re.escape(text[end:]))
    return re.compile("".join(pieces).encode())
