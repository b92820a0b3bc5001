"""What the gate decides with and between: what it knows, and what shall be done. Pure."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from edge.errors import Refusal
from edge.functions import Function, TokenPlace
from edge.limits import Limit
from edge.message import Headers
from tokens.model import Principal, Token


class View(Protocol):
    """What a worker knows, in memory: the gate asks it and nothing else."""

    def by_host(self, host: str) -> Function | None:
        """The function with this custom host."""
        ...

    def by_slug(self, slug: str) -> Function | None:
        """The live function with this slug."""
        ...

    def token(self, digest: bytes) -> Token | None:
        """The token with this SHA-256 digest; None if there is none.

        Raises:
            KeyError: not known in memory; a `Lookup` is needed.
        """
        ...


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The settings of the edge that decisions depend on.

    Attributes:
        public_host: the host of `public_url`, or empty.
        edge_id: names this edge in `Via`.
        max_timeout: milliseconds that no function's own timeout exceeds.
        request_line, header_block: bytes.
    """

    domain: str = "fn.localhost"
    public_host: str = ""
    path_addressing: bool = True
    accept_tokens_in: tuple[TokenPlace, ...] = ("x-jelou-token",)
    edge_id: str = "edge"
    max_timeout: int = 120_000
    request_line: int = 8 * 1024
    header_block: int = 32 * 1024
    header_fields: int = 128


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request leads: the function, and the target as that function sees it.

    Attributes:
        prefix: what stood in front of the target in path form, such as `/my-function`, else empty.
        path: the target without its query.
        authority: the host (and port) that the caller asked for.
    """

    function: Function
    prefix: bytes
    target: bytes
    path: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error of the edge.

    Attributes:
        mcp: whether the edge's own MCP endpoint was asked, whose errors are JSON-RPC.
        ended: the token that it was refused for, if that was good here once and is over;
            no part of what a client is told.
        by: id of the good token that it was refused in spite of, or empty; for the log alone.
    """

    refusal: Refusal
    place: Place | None = None
    mcp: bool = False
    ended: Token | None = field(default=None, compare=False)
    by: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer at once, without any function."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Answer for the edge itself: `live` or `ready`."""

    probe: Literal["live", "ready"]


@dataclass(frozen=True, slots=True)
class Open:
    """Answer one of the function's open documents."""

    document: Literal["health", "openapi"]
    place: Place
    checked: bool


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request to the function.

    Attributes:
        checked: whether a token was demanded: such an answer is not for shared caches.
        until: Unix time at which a stream behind it ends with its token, or None.
        timeout: milliseconds to the answer's head.
        limits: the rate limits that the request counts against.
        route: the tool that has this address, if it has settings of its own.
    """

    place: Place
    principal: Principal | None
    checked: bool
    until: float | None
    timeout: int
    limits: tuple[Limit, ...] = ()
    route: str = ""


@dataclass(frozen=True, slots=True)
class Bridge:
    """Hand the request to the MCP endpoint of the function; attributes as for `Forward`."""

    place: Place
    principal: Principal | None
    checked: bool
    until: float | None
    limits: tuple[Limit, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the function is an MCP server itself, which answers."""
        return self.place.function.config.mcp.upstream is not None


@dataclass(frozen=True, slots=True)
class BridgeAll:
    """Hand the request to the edge's own MCP endpoint, that of every function the token may reach.

    Attributes:
        authority: the host (and port) that the caller asked for.
        by_path: whether functions have addresses by path on this host.
        until: as for `Forward`.
        limits: those of the token; a function's apply to calls of it.
    """

    checked: ClassVar[bool] = True
    authority: bytes
    by_path: bool
    principal: Principal
    until: float | None
    limits: tuple[Limit, ...] = ()

    def place(self, function: Function) -> Place:
        """Where one of the functions has its own MCP endpoint."""
        prefix = b"/" + function.slug.encode() if self.by_path else b""
        return Place(function, prefix, b"/mcp", b"/mcp", self.authority)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Fetch one token row, then decide again."""

    digest: bytes


ToMcp = Bridge | BridgeAll

Repeatable = Forward | Refuse | ToMcp
"""What an equal head may get again, as long as the store and the token's end allow."""

Decision = Refuse | Answer | Status | Open | Forward | ToMcp | Lookup


def place_of(decision: Decision) -> Place | None:
    """Which function was asked for, if there is one."""
    return None if isinstance(decision, Status | Lookup | BridgeAll) else decision.place
