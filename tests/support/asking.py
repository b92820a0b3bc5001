"""Functions, tokens and request heads as values, for tests of the edge's pure decisions."""

from dataclasses import dataclass, field, replace
from typing import Any

from edge.functions import Deployment, Function, FunctionConfig, Project, Route, Upstream
from edge.gate.decide import decide
from edge.gate.decisions import Decision, GateSettings
from edge.message import Head, Headers, Peer
from tokens.model import EDGE_WIDE, Scopes, Token
from tokens.paths import PathTemplate
from tokens.secret import RUNTIME, checksum, digest

NOW = 1_800_000_000.0
SLUG = "shop"
HOST = b"shop.fn.localhost"
UPSTREAM = Upstream("http", "127.0.0.1", 9000)
UNKNOWN = Peer("203.0.113.9", "http")


def secret_of(filler: str) -> str:
    """A well-formed runtime token whose random part is one character, 32 times."""
    body = RUNTIME + filler * 32
    return body + checksum(body.encode())


GOOD = secret_of("a")
OTHER = secret_of("b")
WIDE = secret_of("c")
REVOKED = secret_of("d")
EXPIRED = secret_of("e")
MADE_UP = secret_of("f")
HTTP_ONLY = secret_of("g")
MCP_ONLY = secret_of("h")
NARROW = secret_of("i")
ONE_TOOL = secret_of("j")
SHORT_LIVED = secret_of("k")
LATER = secret_of("z")
"""A token that the view does not hold in memory."""

NARROW_SCOPES = ("route:GET /orders/{id}", "route:POST /orders")


def token(name: str, function: str = SLUG, **more: Any) -> Token:
    """A stored token."""
    return Token(f"tok_{name}", function, name, "aaaa", NOW - 100, f"tok_{name}", **more)


TOKENS = {
    GOOD: token("good"),
    OTHER: token("other", "elsewhere"),
    WIDE: token("wide", EDGE_WIDE),
    REVOKED: token("revoked", revoked=NOW - 1),
    EXPIRED: token("expired", expires=NOW),
    HTTP_ONLY: token("http", scopes=Scopes.parse(["http"])),
    MCP_ONLY: token("mcp", scopes=Scopes.parse(["mcp"])),
    NARROW: token("narrow", scopes=Scopes.parse(NARROW_SCOPES)),
    ONE_TOOL: token("tool", scopes=Scopes.parse(["tool:getOrder"])),
    SHORT_LIVED: token("short", expires=NOW + 60),
}


def route(method: str, path: str, *, public: bool | None = None, **more: Any) -> Route:
    """A tool's address with settings of its own."""
    return Route(f"{method} {path}", method, PathTemplate(path), public=public, **more)


def function(
    slug: str = SLUG,
    *,
    routes: tuple[Route, ...] = (),
    hosts: tuple[str, ...] = (),
    upstream: Upstream = UPSTREAM,
    project: dict[str, Any] | None = None,
    **config: Any,
) -> Function:
    """A live function; `config` are fields of FunctionConfig, `project` of Project."""
    made = Project(
        slug, (upstream,), hosts=hosts, config=FunctionConfig(**config), **(project or {})
    )
    live = Deployment("dep_abc12345", made, NOW - 50, "deploy", None, routes, "0" * 64)
    return Function(slug, NOW - 50, live)


@dataclass
class Known:
    """A view that holds these functions and tokens, all in memory but LATER."""

    functions: tuple[Function, ...]
    tokens: dict[str, Token] = field(default_factory=lambda: dict(TOKENS))

    def by_host(self, host: str) -> Function | None:
        return next((f for f in self.functions if host in f.live.project.hosts), None)

    def by_slug(self, slug: str) -> Function | None:
        return next((f for f in self.functions if f.slug == slug), None)

    def token(self, sha256: bytes) -> Token | None:
        if sha256 == digest(LATER):
            raise KeyError(sha256)
        return next((t for s, t in self.tokens.items() if digest(s) == sha256), None)


def head(
    method: str = "GET",
    target: bytes = b"/orders/7",
    *fields: tuple[bytes, bytes],
    token: str | None = None,
    host: bytes | None = HOST,
    version: str = "1.1",
    peer: Peer = UNKNOWN,
    websocket: bool = False,
) -> Head:
    """A request head, to the function's host unless said otherwise."""
    sent: Headers = () if host is None else ((b"host", host),)
    if token is not None:
        sent += ((b"x-jelou-token", token.encode()),)
    return Head(method, target, sent + fields, version, peer, websocket)


SETTINGS = GateSettings()


def ask(
    asked: Head,
    *functions: Function,
    settings: GateSettings = SETTINGS,
    now: float = NOW,
    **more: Any,
) -> Decision:
    """What the gate decides about a head, for these functions (one plain one by default)."""
    chosen = replace(settings, **more) if more else settings
    return decide(Known(functions or (function(),)), asked, now, chosen)
