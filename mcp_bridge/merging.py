"""The tools of several functions at one address: each name begins with its function's. Pure.

What is listed and what is called are made apart: a list needs every function's tools and may be
long, so nothing is kept for it that only a call needs; a call needs those of one function alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from mcp_bridge.admission import Rejection
from mcp_bridge.catalog import Catalog, Entry
from mcp_bridge.endpoint import McpRequest
from mcp_bridge.jsontext import dump, parse
from mcp_bridge.names import full_name, joined
from mcp_bridge.search import CALL, FIND, SEARCH_TOOLS
from mcp_bridge.tools import Operation, Tool
from mcp_bridge.validation import Validator

_NOTHING = Validator({"not": {}})
"""Arguments of a tool that is only listed: none are good."""

_ANYTHING = Validator({"type": "object"})


@dataclass(frozen=True, slots=True)
class Named:
    """A request that is about the tool of this name."""

    name: str


def needed(request: McpRequest) -> Named | Literal["every tool", "no tool"]:
    """Which tools must be known to judge a request; of a bad one, none."""
    if request.method != "POST":
        return "every tool" if request.method == "GET" else "no tool"
    try:
        message = request.message
    except Rejection:
        return "no tool"
    if message.method in ("tools/list", "subscriptions/listen"):
        return "every tool"
    params = message.value.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    if message.method == "tools/call" and isinstance(name, str):
        return Named(name)
    return "no tool"


def renamed(slug: str, catalog: Catalog, *, public: bool) -> Catalog:
    """A function's tools by the names that they have among those of others.

    Args:
        public: whether the function is.
    """
    made = [_renamed(slug, entry, public=public) for entry in catalog.entries.values()]
    made.sort(key=lambda entry: (entry.tool.name not in entry.tool.known_as, entry.tool.known_as))
    entries: dict[str, Entry] = {}
    for entry in made:  # names that are whole first: none is lost to one that was cut
        entries.setdefault(entry.tool.name, entry)
    digest = _digest(slug, str(public), catalog.digest)
    return Catalog(dict(sorted(entries.items())), digest=digest)


def _renamed(slug: str, entry: Entry, *, public: bool) -> Entry:
    before, name = entry.tool.name, joined(slug, entry.tool.name)
    tool = replace(
        entry.tool,
        name=name,
        known_as=(full_name(slug, before), before),
        public=entry.tool.is_public(public),
    )
    return replace(
        entry,
        tool=tool,
        size=entry.size + len(name) - len(before),
        fingerprint=sha256(name.encode() + entry.fingerprint).digest(),
    )


def listing(slug: str, catalog: Catalog, *, public: bool, search: bool) -> Catalog:
    """What a list shows of a function's tools, and no more: nothing in it can be called.

    Args:
        search: whether the function shows two tools that find and call the others.
    """
    if search:
        entries = {tool.name: _shown(tool) for tool in _search_tools(slug)}
        return Catalog(entries, digest=_digest(slug, "search"))
    found = renamed(slug, catalog, public=public)
    entries = {
        name: replace(entry, arguments=_NOTHING, output=None)
        for name, entry in found.entries.items()
    }
    return replace(found, entries=entries)


def _search_tools(slug: str) -> Iterable[Tool]:
    """Search mode's own tools; their texts name one another."""
    text = dump(SEARCH_TOOLS)
    for own in (FIND, CALL):
        text = text.replace(own.encode(), joined(slug, own).encode())
    for told in sorted(parse(text), key=lambda told: told["name"]):
        yield Tool(
            name=told["name"],
            description=told["description"],
            input_schema=told["inputSchema"],
            operation=Operation("POST", "/mcp"),
            title=told["title"],
            annotations=told["annotations"],
            public=True,
        )


def is_search_tool(slug: str, name: str) -> bool:
    """Whether a name is of one of the two tools by which search mode shows this function."""
    return name in (joined(slug, FIND), joined(slug, CALL))


def _shown(tool: Tool) -> Entry:
    text = dump([tool.name, tool.description, tool.input_schema, tool.annotations])
    return Entry(tool, _NOTHING, None, len(text), sha256(text).digest())


def stand_in(name: str, own: str, slug: str, *, public: bool) -> Catalog:
    """One tool of a function whose tools cannot be read: takes anything, so that a call fails."""
    known_as = (full_name(slug, own), own)
    operation = Operation("POST", "/")
    tool = Tool(name, "", {"type": "object"}, operation, public=public, known_as=known_as)
    return Catalog({name: Entry(tool, _ANYTHING, None, 0)}, digest=_digest(slug, name))


def merged(listings: Iterable[Catalog]) -> Catalog:
    """Several lists as one, in the order of names."""
    entries: dict[str, Entry] = {}
    digests = []
    for one in listings:
        digests.append(one.digest)
        for name, entry in one.entries.items():
            entries.setdefault(name, entry)
    return Catalog(dict(sorted(entries.items())), digest=_digest(*digests))


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
