"""Who is calling, as values: tokens, what they may do, and the verdict on one. Pure.

No secret and no digest is ever a field here, so none can show in a repr, a log or an error.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from tokens.errors import ScopeError
from tokens.paths import PathTemplate, is_plain
from tokens.rate import Rate, parse_rate
from tokens.secret import ACCESS, RUNTIME, redact

EDGE_WIDE = "*"
"""The function of a token that is good for every function."""

_MAX_SCOPES = 256
_MAX_SCOPE_SIZE = 1024
_ROUTE = re.compile(r"([A-Z]+) (/[\x21-\x7e]*)")
_TOOL = re.compile(r"[a-zA-Z0-9_-]{1,129}")

RefusalReason = Literal["malformed", "unknown", "other_function", "revoked", "expired"]


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a token may do: a union of scopes; none at all means everything.

    `http`: every route over plain HTTP; `route:<METHOD> <path template>`: that route; `mcp`: every
    tool through `/mcp`; `tool:<name>`: that tool. A path that is not plain (`tokens.paths`) is in
    no scope: it needs a token without any.

    Attributes:
        texts: the scopes as given, each once.
    """

    texts: tuple[str, ...] = ()
    _routes: tuple[tuple[str, PathTemplate], ...] = field(
        default=(), init=False, repr=False, compare=False
    )
    _tools: frozenset[str] = field(default=frozenset(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile once: scopes are matched on every request."""
        rests = [text.partition(":") for text in self.texts]
        routes = [_route(rest) for kind, _, rest in rests if kind == "route"]
        tools = frozenset(rest for kind, _, rest in rests if kind == "tool")
        object.__setattr__(self, "_routes", tuple(routes))
        object.__setattr__(self, "_tools", tools)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Scopes from what a user wrote, duplicates dropped; raises ScopeError naming a bad one."""
        unique = tuple(dict.fromkeys(texts))
        if len(unique) > _MAX_SCOPES:
            raise ScopeError(f"{len(unique)} scopes are too many; the limit is {_MAX_SCOPES}.")
        for text in unique:
            _check_scope(text)
        return cls(unique)

    def http(self, method: str, path: bytes) -> bool:
        """Whether a plain HTTP request (raw path, no query) is covered; `GET` covers `HEAD`."""
        if not self.texts:
            return True
        if not is_plain(path):
            return False
        return "http" in self.texts or any(
            route.matches(path)
            for allowed, route in self._routes
            if allowed == method or (method == "HEAD" and allowed == "GET")
        )

    def tool(self, name: str) -> bool:
        """Whether this tool may be listed and called through `/mcp`."""
        return not self.texts or "mcp" in self.texts or name in self._tools

    @property
    def every_tool(self) -> bool:
        """Whether every tool may be called through `/mcp`, and so whatever else it serves."""
        return not self.texts or "mcp" in self.texts

    @property
    def opens_http(self) -> bool:
        """Whether any route over plain HTTP is covered."""
        return not self.texts or "http" in self.texts or bool(self._routes)

    @property
    def opens_mcp(self) -> bool:
        """Whether `/mcp` itself may be reached."""
        return not self.texts or "mcp" in self.texts or bool(self._tools)


def _route(rest: str) -> tuple[str, PathTemplate]:
    method, _, template = rest.partition(" ")
    return method, PathTemplate(template)


def _check_scope(text: str) -> None:
    kind, colon, rest = text.partition(":")
    if redact(text) != text:
        raise ScopeError("A scope holds a token; scopes are shown to everybody.")
    if len(text) > _MAX_SCOPE_SIZE:
        raise ScopeError(f"The scope {text[:40]!r}… is over {_MAX_SCOPE_SIZE} characters.")
    if not colon and kind in {"http", "mcp"}:
        return
    if kind == "tool" and colon:
        if _TOOL.fullmatch(rest) is None:
            raise ScopeError(f"The scope {text!r} names no tool; write tool:<name>.")
        return
    if kind == "route" and colon:
        _check_route(text, rest)
        return
    raise ScopeError(
        f"Unknown scope {text!r}; write http, mcp, route:<METHOD> <path template> or tool:<name>."
    )


def _check_route(text: str, rest: str) -> None:
    parts = _ROUTE.fullmatch(rest)
    if parts is None or "?" in parts[2] or "#" in parts[2]:
        raise ScopeError(
            f"The scope {text!r} names no route; write the method in capitals, a space and the"
            " path without a query, such as route:GET /orders/{id}."
        )
    if not is_plain(parts[2].encode()):
        raise ScopeError(
            f"The scope {text!r} would never match: its path holds a dot segment, //, \\, %2f,"
            " %5c or %00."
        )


EVERYTHING = Scopes()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: passed as a value, never read again from headers.

    Attributes:
        function: the slug that the token is good for, or `*`.
        lineage: id of the first token of its line; the same through rotations.
        rate: how often it may call, or None.
    """

    token_id: str
    token_name: str
    function: str
    scopes: Scopes
    lineage: str
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a token is not accepted; for `tokens check` and the log alone, never told to a caller."""

    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class Token:
    """A runtime token as it is stored, without its secret.

    Attributes:
        id: `tok_` and random characters.
        function: the slug it is good for, or `*` for every function.
        hint: the characters of the secret that may be shown.
        created, expires, revoked, last_used: Unix time in seconds; None for never.
        rate: `<count>/<s|m|h|d>` or None.
        lineage: id of the first token of its line.
        replaced_by: id of the token that it was rotated out for, or None.
        principal: the caller that presents it.
    """

    id: str
    function: str
    name: str
    hint: str
    created: float
    lineage: str
    expires: float | None = None
    revoked: float | None = None
    last_used: float | None = None
    scopes: Scopes = EVERYTHING
    rate: str | None = None
    replaced_by: str | None = None
    principal: Principal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the caller that presents it, once: it is asked for on every request."""
        rate = None if self.rate is None else parse_rate(self.rate)
        made = Principal(self.id, self.name, self.function, self.scopes, self.lineage, rate)
        object.__setattr__(self, "principal", made)

    @property
    def display(self) -> str:
        """The form that is shown: `jfn_rt_abc1..`."""
        return f"{RUNTIME}{self.hint}.."

    @property
    def shown_name(self) -> str:
        """The name, or `NAME~old` once it is rotated out."""
        return f"{self.name}~old" if self.replaced_by else self.name

    def refusal(self, now: float) -> Literal["revoked", "expired"] | None:
        """Why it is over, or None; judged on every request."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else None

    def rotated_out(self, successor: str, until: float) -> "Token":
        """This token as it is once replaced: it ends at `until`, if not before."""
        expires = until if self.expires is None else min(self.expires, until)
        return replace(self, replaced_by=successor, expires=expires)


def judge(token: Token | None, function: str, now: float) -> Principal | Refused:
    """The verdict on a token that was looked up (None: no such token) for one function."""
    if token is None:
        return Refused("unknown")
    if token.function not in {function, EDGE_WIDE}:
        return Refused("other_function")
    reason = token.refusal(now)
    return Refused(reason) if reason else token.principal


ACCESS_SCOPES = ("read", "audit", "deploy", "tokens", "secrets", "all")
"""What an access token may be limited to; each is one kind of operations."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token as it is stored: it manages the edge and calls no function.

    Attributes:
        id: `pat_` and random characters.
        created, last_used, revoked, expires: Unix time in seconds; None for never.
        scopes: what it may do, of ACCESS_SCOPES; none at all means everything.
    """

    id: str
    name: str
    hint: str
    created: float
    last_used: float | None = None
    revoked: float | None = None
    expires: float | None = None
    scopes: tuple[str, ...] = ()

    def refusal(self, now: float) -> Literal["revoked", "expired"] | None:
        """Why it is over, or None; judged on every request."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else None

    def may(self, scope: str) -> bool:
        """Whether it is good for what needs this scope."""
        return not self.scopes or "all" in self.scopes or scope in self.scopes

    @property
    def display(self) -> str:
        """The form that is shown: `jfn_pat_abc1..`."""
        return f"{ACCESS}{self.hint}.."
