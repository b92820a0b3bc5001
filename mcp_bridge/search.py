"""Search mode: two tools, that find and call, in place of a list of hundreds. Pure.

What they may find and call is what the caller may anyway; a tool is still callable by its own name.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from mcp_bridge.catalog import Catalog
from mcp_bridge.jsontext import dump
from mcp_bridge.listing import listed
from mcp_bridge.revisions import has_structured_content
from mcp_bridge.tools import Tool, ToolWarning
from mcp_bridge.validation import Validator
from tokens.model import Principal

FIND = "find_tools"
CALL = "call_tool"

MAX_QUERY = 500
"""Characters of a query."""

DEFAULT_LIMIT, MAX_LIMIT = 8, 50
MAX_FOUND = 512 * 1024
"""Bytes of the tools of one answer; the first is always there."""

_MAX_REMEMBERED = 64
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_WEIGHTS = (("name", 8.0), ("title", 4.0), ("path", 3.0), ("description", 1.0))

_FIND_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_QUERY,
            "description": "What the tool should do, in a few words",
        },
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_LIMIT,
            "default": DEFAULT_LIMIT,
            "description": "How many tools to show at most",
        },
    },
    "required": ["query"],
    "additionalProperties": False,
}
_CALL_INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": f"A name that {FIND} showed"},
        "arguments": {"type": "object", "description": "As its inputSchema says"},
    },
    "required": ["name"],
    "additionalProperties": False,
}
_CHECKS = {FIND: Validator(_FIND_INPUT), CALL: Validator(_CALL_INPUT)}

SEARCH_TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": CALL,
        "title": "Call a tool",
        "description": f"Calls a tool that {FIND} showed, with arguments that fit its inputSchema.",
        "inputSchema": _CALL_INPUT,
        "annotations": {
            "readOnlyHint": False,
            "destructiveHint": True,
            "idempotentHint": False,
            "openWorldHint": True,
        },
    },
    {
        "name": FIND,
        "title": "Find tools",
        "description": f"Finds tools by what they do: names, descriptions and input schemas of the "
        f"best matches. Call one with {CALL}.",
        "inputSchema": _FIND_INPUT,
        "annotations": {
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        },
    },
)
"""What `tools/list` shows in search mode, at every revision, in the order of their names."""


@dataclass(frozen=True, slots=True)
class Call:
    """The tool that a `call_tool` means, and its arguments."""

    name: str
    arguments: Mapping[str, Any]


def violations(name: str, arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with the arguments of `find_tools` or `call_tool`; empty if nothing is."""
    return _CHECKS[name].violations(dict(arguments))


def unwrap(arguments: Mapping[str, Any]) -> Call:
    """The call inside a `call_tool` whose arguments have no violations; always of a real tool."""
    return Call(arguments["name"], arguments.get("arguments", {}))


def collisions(catalog: Catalog) -> tuple[ToolWarning, ...]:
    """Tools that search mode hides behind its own two."""
    return tuple(
        ToolWarning(name, f"search mode has a tool of this name; it is callable by {CALL} only")
        for name in (FIND, CALL)
        if name in catalog.entries
    )


class Search:
    """Finds tools; what it knows of a catalog's words it keeps, for the latest few catalogs."""

    def __init__(self) -> None:
        self._indices: dict[str, _Index] = {}

    def find(
        self,
        catalog: Catalog,
        principal: Principal | None,
        public: bool,
        arguments: Mapping[str, Any],
        revision: str,
    ) -> dict[str, Any]:
        """The result of a `find_tools` whose arguments have no violations."""
        allowed = {tool.name for tool in catalog.visible(principal, public)}
        limit = int(arguments.get("limit", DEFAULT_LIMIT))
        best = self._index(catalog).best(arguments["query"], limit, allowed.__contains__)
        found = _within(MAX_FOUND, [catalog.entries[name].tool for name in best], revision)
        value = {"tools": found, "searched": len(allowed)}
        content = [{"type": "text", "text": dump(value).decode()}]
        structured = {"structuredContent": value} if has_structured_content(revision) else {}
        return {"content": content, "isError": False, **structured}

    def _index(self, catalog: Catalog) -> "_Index":
        index = self._indices.get(catalog.digest)
        if index is None:
            while len(self._indices) >= _MAX_REMEMBERED:
                del self._indices[next(iter(self._indices))]
            index = self._indices[catalog.digest] = _Index(catalog.tools)
        return index


def _within(size: int, tools: Sequence[Tool], revision: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for tool in tools:
        described = listed(tool, revision)
        described = {key: described[key] for key in ("name", "description", "inputSchema")}
        size -= len(dump(described))
        if size < 0 and found:
            break
        found.append(described)
    return found


class _Index:
    """The words of tools, and how much a match of each counts."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._scores: dict[str, dict[str, float]] = {}
        for tool in tools:
            for word, weight in _weighed(tool).items():
                self._scores.setdefault(word, {})[tool.name] = weight
        self._count = len(tools)
        self._titles = {tool.name: frozenset(_words(tool.title or tool.name)) for tool in tools}

    def best(self, query: str, limit: int, allowed: Callable[[str], bool]) -> list[str]:
        """The names that match best; equally good ones in their own order."""
        words = frozenset(_words(query[:MAX_QUERY]))
        total: dict[str, float] = {}
        for word in sorted(words):
            for name, score in self._matching(word).items():
                total[name] = total.get(name, 0.0) + score
        found = sorted(
            (-score * (1 + self._said(name, words)), name)
            for name, score in total.items()
            if allowed(name)
        )
        return [name for _, name in found[:limit]]

    def _said(self, name: str, words: frozenset[str]) -> float:
        """How much of a tool's title a query says: `list issues` is not `list issues of a team`."""
        title = self._titles[name]
        return len(title & words) / len(title) if title else 0.0

    def _matching(self, word: str) -> dict[str, float]:
        """Scores for one word of a query: rare words count more, beginnings of words half."""
        best: dict[str, float] = {}
        for known, names in self._scores.items():
            if known != word and not (len(word) > 2 and known.startswith(word)):
                continue
            share = (1.0 if known == word else 0.5) * (1 + log(self._count / len(names)))
            for name, weight in names.items():
                best[name] = max(best.get(name, 0.0), weight * share)
        return best


def _weighed(tool: Tool) -> dict[str, float]:
    texts = {
        "name": tool.name,
        "title": tool.title or "",
        "path": tool.operation.path,
        "description": tool.description,
    }
    words: dict[str, float] = {}
    for part, weight in _WEIGHTS:
        for word in set(_words(texts[part])):
            words[word] = words.get(word, 0.0) + weight
    return words


def _words(text: str) -> Iterator[str]:
    """Words in lower case, `camelCase` taken apart, the English plural's s taken off."""
    for match in _WORD.finditer(text):
        word = match[0].lower()
        plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")
        yield word[:-1] if plural else word
