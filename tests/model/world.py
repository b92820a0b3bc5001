"""Who may do what: a model of the contract's addresses, token check and MCP endpoint. Pure.

It is written from the contract alone and knows nothing of the product. Time is a number that stands
still until it is moved; whatever has an id is called by the one that the edge under test gave it.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.model.questions import DOCUMENTS, EDGE, TOOLS, Address, Question

EDGE_WIDE = "*"
SESSION_AGE = 7 * 24 * 3600
UNKNOWN_TOOL = -32602
"""Stands for a status where a tool is unknown to its caller."""


@dataclass(frozen=True)
class Config:
    """What a project file says that matters here.

    Attributes:
        tools: of tools with a `public` of their own, that.
        hidden: tools with `mcp` false.
    """

    public: bool = False
    mcp: bool = True
    open_routes: bool = True
    methods: tuple[str, ...] = ("GET", "POST")
    hosts: frozenset[str] = frozenset()
    tools: tuple[tuple[str, bool], ...] = ()
    hidden: frozenset[str] = frozenset()

    def is_public(self, tool: str | None) -> bool:
        """Whether a tool's route, or one of no tool, needs no token."""
        return dict(self.tools).get(tool or "", self.public)

    def allows(self, method: str) -> bool:
        """Whether the function takes this method; `GET` implies `HEAD`."""
        return ("GET" if method == "HEAD" else method) in self.methods

    def lists(self, tool: str) -> bool:
        """Whether a tool is one for agents at all."""
        return self.mcp and tool not in self.hidden and self.allows(TOOLS[tool].method)


@dataclass(frozen=True)
class Deployment:
    """A version of a function; `before` is the one that it took over from."""

    id: str
    config: Config
    before: str = ""


@dataclass
class Function:
    """A deployed function."""

    slug: str
    live: Deployment
    history: dict[str, Deployment]


@dataclass
class Token:
    """A runtime token; `rotated` once another has taken its place."""

    id: str
    function: str
    name: str
    lineage: str
    scopes: frozenset[str] = frozenset()
    expires: float | None = None
    revoked: bool = False
    rotated: bool = False

    def http(self, method: str, path: str) -> bool:
        """Whether its scopes name a route."""
        if not self.scopes or not is_plain(path):
            return not self.scopes
        named = ((tool.method, tool.template) for tool in TOOLS.values())
        routes = {f"route:{m} {t}" for m, t in named if takes(m, t, method, path)}
        return bool(self.scopes & {"http", *routes})

    def mcp(self) -> bool:
        """Whether its scopes open `/mcp`."""
        return not self.scopes or any(s == "mcp" or s.startswith("tool:") for s in self.scopes)

    def tool(self, slug: str, name: str) -> bool:
        """Whether its scopes name a tool of a function."""
        names = {"mcp", f"tool:{name}", f"tool:{slug}__{name}"}
        return not self.scopes or bool(self.scopes & names)


@dataclass
class Session:
    """An MCP session: of a function or the edge, and of a token's lineage, or of nobody's."""

    place: str
    lineage: str
    issued: float
    ended: bool = False


@dataclass(frozen=True)
class Answer:
    """What comes back.

    Attributes:
        said: what a document or a list says; who was called as what, where a function was.
    """

    status: int
    said: Any = None


@dataclass
class World:
    """Everything that an edge knows; tokens and sessions are called by their numbers."""

    now: float
    functions: dict[str, Function] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    # What is done to it. `may_…` says whether the edge has to let it be done.

    def may_deploy(self, slug: str, config: Config) -> bool:
        """A host is one function's at a time."""
        return all(self._owner(host) in (None, slug) for host in config.hosts)

    def changes(self, slug: str, config: Config) -> bool:
        """Whether a deploy makes a deployment: not of what is live already."""
        return slug not in self.functions or self.functions[slug].live.config != config

    def deploy(self, slug: str, config: Config, deployment: str) -> None:
        """Make it live."""
        known = self.functions.get(slug)
        made = Deployment(deployment, config, known.live.id if known else "")
        history = known.history if known else {}
        self.functions[slug] = Function(slug, made, {**history, made.id: made})

    def rolls_back_to(self, slug: str, deployment: str | None) -> Deployment | None:
        """What a rollback makes live, by id or the one before; None if it is refused."""
        if slug not in self.functions:
            return None
        function = self.functions[slug]
        wanted = function.history.get(deployment or function.live.before)
        return wanted if wanted and self.may_deploy(slug, wanted.config) else None

    def delete(self, slug: str) -> None:
        """Forget a function; its tokens are over for good."""
        del self.functions[slug]
        for token in self.tokens:
            token.revoked |= token.function == slug

    def may_create(self, function: str, name: str) -> bool:
        """A name is one live token's; those that are being rotated out have another."""
        exists = function == EDGE_WIDE or function in self.functions
        named = (t for t in self.tokens if (t.function, t.name) == (function, name))
        return exists and not any(self.is_alive(t) and not t.rotated for t in named)

    def may_rotate(self, token: Token) -> bool:
        """What is over or replaced has no successor."""
        return self.is_alive(token) and not token.rotated

    def rotate(self, old: Token, token: str, overlap: float) -> None:
        """Another token takes its place; it lives on for the overlap, if it does not end before."""
        fresh = Token(token, old.function, old.name, old.lineage, old.scopes, old.expires)
        until = self.now + overlap
        old.expires = until if old.expires is None else min(old.expires, until)
        old.rotated = True
        self.tokens.append(fresh)

    def revoke(self, token: Token) -> None:
        """End a token, with those that it took the place of."""
        token.revoked = True
        for other in self.tokens:
            other.revoked |= not token.rotated and other.rotated and other.lineage == token.lineage

    def is_alive(self, token: Token) -> bool:
        """Whether it is neither revoked nor expired."""
        return not token.revoked and (token.expires is None or self.now < token.expires)

    def ending(self, until: float) -> list[int]:
        """Numbers of the tokens whose time is over by then."""
        times = [(n, t.expires) for n, t in enumerate(self.tokens) if self.is_alive(t)]
        return [n for n, expires in times if expires is not None and expires <= until]

    # What is asked of it.

    def answer(self, question: Question) -> Answer:
        """What the edge has to answer."""
        place = self.at(question.address)
        mcp = question.kind != "http"
        if isinstance(place, Function):
            return self._mcp(question, place) if mcp else self._http(question, place)
        return self._edge_mcp(question) if mcp and place == EDGE else Answer(404)

    def at(self, address: Address) -> Function | Literal["edge"] | None:
        """What an address names; None for nothing at all."""
        match address.form:
            case "host" | "path":
                return self.functions.get(address.name)
            case "custom":  # a host that is nobody's is one of the edge's own
                owner = self._owner(address.name)
                return EDGE if owner is None else self.functions[owner]
            case "edge":
                return EDGE

    def good_at(self, address: Address) -> list[int]:
        """Numbers of the tokens that are good there, scopes apart."""
        place = self.at(address)
        wanted = {EDGE_WIDE, place.slug} if isinstance(place, Function) else {EDGE_WIDE}
        return [n for n, t in enumerate(self.tokens) if t.function in wanted and self.is_alive(t)]

    def _owner(self, host: str) -> str | None:
        owners = (f.slug for f in self.functions.values() if host in f.live.config.hosts)
        return next(owners, None)

    def _good(self, question: Question, slug: str) -> Token | None:
        """The token that was sent, if it is good for a function."""
        token = self._alive(question)
        return token if token and token.function in (EDGE_WIDE, slug) else None

    def _alive(self, question: Question) -> Token | None:
        if question.token is None or question.token >= len(self.tokens):
            return None
        token = self.tokens[question.token]
        return token if self.is_alive(token) else None

    def _http(self, question: Question, function: Function) -> Answer:
        config, method, path = function.live.config, question.method, question.path
        if path in DOCUMENTS and config.open_routes:
            return _document(path, function)
        tool = next(
            (n for n, t in TOOLS.items() if takes(t.method, t.template, method, path)), None
        )
        token = self._good(question, function.slug)
        if not (is_plain(path) and config.is_public(tool)):
            if token is None:
                return Answer(401, function.slug)
            if not token.http(method, path):
                return Answer(403)
        if path in DOCUMENTS:
            return _document(path, function)
        if not config.allows(method):
            return Answer(405)
        return Answer(200, _reached(function, token, "http", method, path))

    def _mcp(self, question: Question, function: Function) -> Answer:
        config = function.live.config
        token = self._good(question, function.slug)
        if not config.public and token is None:
            return Answer(401, function.slug)
        if not config.public and token is not None and not token.mcp():
            return Answer(403)
        if not config.mcp:
            return Answer(404)
        tools = {n: (function, n) for n in TOOLS if _may_call(function, n, token)}
        return self._of_tools(question, function.slug, token, tools)

    def _edge_mcp(self, question: Question) -> Answer:
        token = self._alive(question)
        if token is None:
            return Answer(401, EDGE)
        if not token.mcp():
            return Answer(403)
        reached = [f for f in self.functions.values() if token.function in (EDGE_WIDE, f.slug)]
        tools = {f"{f.slug}__{n}": (f, n) for f in reached for n in TOOLS if _may_call(f, n, token)}
        return self._of_tools(question, EDGE, token, tools)

    def _of_tools(
        self,
        question: Question,
        place: str,
        token: Token | None,
        tools: dict[str, tuple[Function, str]],
    ) -> Answer:
        """The answer of an MCP endpoint to somebody who may call these tools there."""
        session = None if question.session is None else self.sessions[question.session]
        if session is not None and not self._is_good(session, place, token):
            return Answer(404)
        if question.kind == "list":
            return Answer(200, frozenset(tools))
        if question.kind != "call":
            return Answer(204 if question.kind == "end" else 200)
        if question.tool not in tools:
            return Answer(UNKNOWN_TOOL)
        function, name = tools[question.tool]
        called = TOOLS[name]
        return Answer(200, _reached(function, token, "mcp", called.method, called.path))

    def _is_good(self, session: Session, place: str, token: Token | None) -> bool:
        mine = (session.place, session.lineage) == (place, token.lineage if token else "")
        return mine and not session.ended and self.now < session.issued + SESSION_AGE

    def open_session(self, question: Question) -> None:
        """Note a session that the edge has opened."""
        place = self.at(question.address)
        slug = place.slug if isinstance(place, Function) else EDGE
        token = self._good(question, slug) if slug != EDGE else self._alive(question)
        self.sessions.append(Session(slug, token.lineage if token else "", self.now))


def _may_call(function: Function, tool: str, token: Token | None) -> bool:
    config = function.live.config
    named = token is not None and token.tool(function.slug, tool)
    return config.lists(tool) and (config.is_public(tool) or named)


def _document(path: str, function: Function) -> Answer:
    """`/__health` says what is live, `/openapi.json` whether it needs a token."""
    live = function.live
    return Answer(200, live.id if path == "/__health" else not live.config.public)


def _reached(function: Function, token: Token | None, trigger: str, method: str, path: str) -> Any:
    caller = token.id if token else None
    return (function.slug, function.live.id, caller, trigger, f"{method} {path}")


def is_plain(path: str) -> bool:
    """Whether a path is beyond doubt; what is not matches no public route and no scope."""
    return not any(doubt in path for doubt in ("//", "/.", "\\", "%2f", "%5c", "%00"))


def takes(own: str, template: str, method: str, path: str) -> bool:
    """Whether a route takes a request; `GET` covers `HEAD`."""
    wanted, given = template.split("/"), path.split("/")
    same = len(wanted) == len(given) and all(
        w == g or (w.startswith("{") and g) for w, g in zip(wanted, given, strict=False)
    )
    return same and method in ((own, "HEAD") if own == "GET" else (own,))
