"""What one request to `/mcp` is for, who asks, and how it may be answered: as values. Pure."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mcp_bridge.admission import Fields, McpHead, message_of
from mcp_bridge.catalog import Catalog, Entry
from mcp_bridge.jsonrpc import Message
from mcp_bridge.jsontext import MAX_DEPTH
from mcp_bridge.tools import Tool
from tokens.model import Principal


@dataclass(frozen=True)
class McpRequest:
    """One HTTP request to `/mcp`, whole.

    Attributes:
        max_depth: nesting of JSON that is read.
        id: the edge's, for error bodies.
    """

    head: McpHead
    body: bytes = field(default=b"", repr=False)
    max_depth: int = MAX_DEPTH
    id: str = ""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.head.method

    @property
    def headers(self) -> Fields:
        """The header fields; names in lower case."""
        return self.head.headers

    @cached_property
    def message(self) -> Message:
        """The one message of the body, read once; raises Rejection."""
        return message_of(self.body, self.max_depth)

    @property
    def asked_method(self) -> str:
        """The message's method, if it has been read and has one."""
        read: Message | None = self.__dict__.get("message")
        return "" if read is None else read.method


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that is in memory: JSON, or nothing.

    Attributes:
        tool_failed: whether it is a tool's result that says `isError`; None if it is none.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Fields = ()
    tool_failed: bool | None = field(default=None, compare=False)

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields with those that describe the body."""
        if not self.body:
            length = () if self.status == 204 else ((b"content-length", b"0"),)
            return (*length, *self.headers)
        described = (b"content-type", b"application/json")
        return (described, (b"content-length", b"%d" % len(self.body)), *self.headers)


@dataclass(frozen=True)
class Endpoint:
    """The function that one request is for, and who is calling.

    Attributes:
        slug: the server's name.
        version: the deployment's id.
        title, description: of the function; where empty, the document's stand for them.
        public: whether the function is; a tool's own setting overrides it.
        forward_headers: the caller's fields that are carried on to the function, in any case.
        search: whether the list is two tools that find and call the others.
        group: the function whose name stands in front of its tools', or empty if none does.
        client: address of the client; tells callers without a token apart.
    """

    slug: str
    version: str
    catalog: Catalog
    principal: Principal | None
    public: bool
    title: str = ""
    description: str = ""
    forward_headers: tuple[str, ...] = ()
    search: bool = False
    group: str = ""
    client: str = ""

    @property
    def lineage(self) -> str:
        """The token line that sessions are bound to; empty without a token."""
        return self.principal.lineage if self.principal else ""

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the server says it is (MCP, Implementation)."""
        title = self.title or self.catalog.info.title
        return {"name": self.slug, "version": self.version, **({"title": title} if title else {})}

    @property
    def instructions(self) -> str | None:
        """What the server says about its use."""
        return self.catalog.instructions(self.description)

    def find(self, name: str) -> Entry | None:
        """The tool of this name, if there is one that this caller may call."""
        return self.catalog.find(name, self.principal, self.public)

    def visible(self) -> tuple[Tool, ...]:
        """What this caller may list and call."""
        return self.catalog.visible(self.principal, self.public)
