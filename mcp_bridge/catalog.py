"""The tools of one deployment: sources merged, checked, and filtered by who asks. Pure.

How tools are read is `openapi`'s and `specs`'; how they look to clients is `listing`'s.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from mcp_bridge.document import DocumentError
from mcp_bridge.jsontext import dump
from mcp_bridge.legality import (
    HEADER,
    is_explosive,
    with_legal_headers,
    with_object_properties,
)
from mcp_bridge.listing import refusals, shown
from mcp_bridge.names import is_legal, unique
from mcp_bridge.openapi import NOTHING_SAID, Candidate, Info, Reading, read
from mcp_bridge.specs import Override, ToolSpec, apply
from mcp_bridge.tools import Tool, ToolWarning
from mcp_bridge.validation import SchemaProblem, Validator
from tokens.model import Principal, Scopes

MAX_PAGE_TOOLS = 1_000
MAX_PAGE_SIZE = 4 * 1024 * 1024
"""Bytes of the tools of one page of `tools/list`, as JSON."""

MAX_TOOL_SIZE = 512 * 1024
"""Bytes of one tool, as JSON."""

MAX_CATALOG_SIZE = 16 * 1024 * 1024
"""Bytes of all tools of a deployment, as JSON."""


_EXPLOSIVE = "its definitions name each other so often that checking a value would not end"


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool that passed every check.

    Attributes:
        arguments: checks a call's arguments.
        output: checks a structured result, where the tool promises one.
        size: bytes of the tool as JSON, roughly.
        fingerprint: changes when what clients see of the tool does.
        mirrors: whether an argument may have to stand in an `Mcp-Param-*` header too.
    """

    tool: Tool
    arguments: Validator = field(repr=False, compare=False)
    output: Validator | None = field(repr=False, compare=False)
    size: int
    fingerprint: bytes = b""
    mirrors: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and the opaque cursor of the next one."""

    tools: tuple[Tool, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tools of one deployment.

    Attributes:
        tools: those of `/mcp`, by name.
        hidden: those that the project file keeps out of `/mcp`; their routes' settings still count.
        warnings: what was left out or changed, and why.
        problem: why the document could not be read at all, or None.
        digest: changes when `tools` does.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    hidden: tuple[Tool, ...] = ()
    warnings: tuple[ToolWarning, ...] = ()
    info: Info = NOTHING_SAID
    problem: DocumentError | None = None
    digest: str = ""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Every tool of `/mcp`, in the order of the list."""
        return tuple(entry.tool for entry in self.entries.values())

    def instructions(self, description: str) -> str | None:
        """What the server says about its use: the function's own description, or the document's."""
        return description or self.info.description or None

    def visible(self, principal: Principal | None, public: bool) -> tuple[Tool, ...]:
        """What this caller may list and call, in the order of the list.

        Args:
            principal: who is calling, or None without a good token.
            public: whether the function is public; a tool's own `public` overrides it.
        """
        return tuple(tool for tool in self.tools if may_call(tool, principal, public))

    def find(self, name: str, principal: Principal | None, public: bool) -> Entry | None:
        """The tool of this name, if there is one that this caller may call."""
        entry = self.entries.get(name)
        return entry if entry and may_call(entry.tool, principal, public) else None

    def page(
        self,
        tools: Sequence[Tool],
        cursor: str | None,
        *,
        limit: int = MAX_PAGE_TOOLS,
        size: int = MAX_PAGE_SIZE,
    ) -> Page:
        """One page of a caller's tools: at most `limit` of them and `size` bytes, at least one.

        A cursor names the last tool that was shown, so it is good in every worker and survives a
        deploy between two pages.

        Raises:
            ValueError: the cursor is none of ours.
        """
        names = [tool.name for tool in tools]
        start = bisect_right(names, _cursor_name(cursor)) if cursor is not None else 0
        end, taken = start, 0
        while end < len(tools) and end - start < limit:
            taken += self.entries[names[end]].size
            if taken > size and end > start:
                break
            end += 1
        return Page(tuple(tools[start:end]), _cursor(names[end - 1]) if end < len(tools) else None)


def may_call(tool: Tool, principal: Principal | None, public: bool) -> bool:
    """Whether a caller may list and call a tool: it is public, or the token's scopes cover it."""
    return tool.is_public(public) or (principal is not None and _covers(principal.scopes, tool))


def _covers(scopes: Scopes, tool: Tool) -> bool:
    return scopes.tool(tool.name) or any(scopes.tool(name) for name in tool.known_as)


def build(
    document: bytes | None,
    specs: Sequence[ToolSpec] = (),
    refuses: Callable[[Tool], str | None] | None = None,
) -> Catalog:
    """The catalog of a deployment; whatever is broken is left out with a warning.

    Args:
        refuses: says why the function lets nobody call a tool, which is then not shown.
    """
    warnings: list[ToolWarning] = []
    reading, problem = _read(document)
    warnings += reading.warnings
    overrides = apply(specs, reading.candidates, warnings)
    named = [
        (tool, shown and not _is_refused(tool, refuses and refuses(tool), warnings))
        for tool, shown in _named(overrides, reading.candidates)
    ]
    entries = _listable(_checked([tool for tool, shown in named if shown], warnings), warnings)
    return Catalog(
        entries=entries,
        hidden=tuple(tool for tool, shown in named if not shown),
        warnings=tuple(warnings),
        info=reading.info,
        problem=problem,
        digest=_digest(entries),
    )


def _is_refused(tool: Tool, why: str | None, warnings: list[ToolWarning]) -> bool:
    if why is not None:
        warnings.append(ToolWarning(tool.name, f"left out: {why}"))
    return why is not None


def _read(document: bytes | None) -> tuple[Reading, DocumentError | None]:
    if document is None:
        return Reading(NOTHING_SAID, (), ()), None
    try:
        return read(document), None
    except DocumentError as problem:
        return Reading(NOTHING_SAID, (), (ToolWarning("", str(problem)),)), problem


def _named(
    overrides: Sequence[Override], candidates: Sequence[Candidate]
) -> list[tuple[Tool, bool]]:
    """Every tool under its final name, and whether `/mcp` shows it."""
    replaced = {override.replaces for override in overrides}
    rest = [one for one in candidates if one.identity not in replaced]
    taken = [override.tool.name for override in overrides]
    names = unique([(one.tool.name, one.identity) for one in rest], taken)
    generated = [replace(one.tool, name=name) for one, name in zip(rest, names, strict=True)]
    named = [(override.tool, override.spec.mcp) for override in overrides]
    return named + [(tool, True) for tool in generated]


def _checked(tools: Sequence[Tool], warnings: list[ToolWarning]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    total = 0
    for tool in sorted(tools, key=lambda tool: tool.name):
        if total > MAX_CATALOG_SIZE:
            warnings.append(ToolWarning(tool.name, "left out: the tools are over 16 MiB together"))
            continue
        try:
            entry = _entry(tool, warnings)
        except SchemaProblem as problem:
            warnings.append(ToolWarning(tool.name, f"left out: its input schema: {problem}"))
            continue
        entries[tool.name] = entry
        total += entry.size
    return entries


def _listable(entries: dict[str, Entry], warnings: list[ToolWarning]) -> dict[str, Entry]:
    """The entries without those that any revision of the protocol refuses."""
    refused = refusals([entry.tool for entry in entries.values()])
    warnings += [ToolWarning(name, f"left out: {why}") for name, why in refused.items()]
    return {name: entry for name, entry in entries.items() if name not in refused}


def _entry(tool: Tool, warnings: list[ToolWarning]) -> Entry:
    tool = _mended(tool, warnings)
    problem = _shape_problem(tool.input_schema)
    if problem:
        raise SchemaProblem(problem)
    arguments = Validator(tool.input_schema)
    output = None
    if tool.output_schema is not None:
        try:
            if is_explosive(tool.output_schema):
                raise SchemaProblem(_EXPLOSIVE)
            output = Validator(tool.output_schema)
        except SchemaProblem as broken:
            warnings.append(ToolWarning(tool.name, f"without output schema: {broken}"))
            tool = replace(tool, output_schema=None)
    text = dump(shown(tool))
    mirrors = b'"x-mcp-header"' in text
    if len(text) > MAX_TOOL_SIZE:
        raise SchemaProblem(f"the tool is over {MAX_TOOL_SIZE} bytes")
    return Entry(tool, arguments, output, len(text), sha256(text).digest(), mirrors)


def _mended(tool: Tool, warnings: list[ToolWarning]) -> Tool:
    """The tool with what clients would refuse in its schemas put right, or said."""
    schema = with_object_properties(tool.input_schema)
    if f'"{HEADER}"'.encode() in dump(schema):
        schema, told = with_legal_headers(schema)
        warnings += [ToolWarning(tool.name, message) for message in told]
    output = tool.output_schema
    promised = None if output is None else with_object_properties(output)
    return replace(tool, input_schema=schema, output_schema=promised)


def _shape_problem(schema: Mapping[str, Any]) -> str | None:
    """What a protocol revision would refuse in a schema that is otherwise legal."""
    if schema.get("type") != "object":
        return 'its type is not "object"'
    return _EXPLOSIVE if is_explosive(schema) else None


def _digest(entries: Mapping[str, Entry]) -> str:
    whole = sha256()
    for entry in entries.values():
        whole.update(entry.fingerprint + dump(entry.tool.public))
    return whole.hexdigest()


def _cursor(name: str) -> str:
    return base64.urlsafe_b64encode(f"1:{name}".encode()).decode().rstrip("=")


def _cursor_name(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        version, _, name = base64.b64decode(padded, b"-_", validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        raise ValueError("the cursor is none of this server's") from None
    if version != "1" or not is_legal(name):
        raise ValueError("the cursor is none of this server's")
    return name
