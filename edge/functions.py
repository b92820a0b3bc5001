"""Functions and deployments as values: what the gate, forwarding and the bridge know of them. Pure.

`edge/project_file/parse.py` makes them from a project file; nothing here reads one.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from mcp_bridge.tools import StreamMode
from tokens.paths import PathTemplate
from tokens.rate import Rate

DEFAULT_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

EDGE = "edge"
"""Names the edge itself where a function's slug would stand."""

RESERVED_SLUGS = frozenset({"mcp", "admin", "api", EDGE, "www", "well-known"})

CONSOLE = "/admin/console"
"""Where the console is on the admin address. A host's ports share their cookies, so it is below a
slug that no function has."""

EVERY_PATH = PathTemplate("*")

TokenPlace = Literal["x-jelou-token", "authorization", "x-api-key"]


def allows(methods: tuple[str, ...], method: str) -> bool:
    """Whether a method is among those allowed; `GET` implies `HEAD`."""
    return method in methods or (method == "HEAD" and "GET" in methods)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a TLS connection to an upstream is checked.

    Attributes:
        verify: whether certificate and name are verified; False only if the project file says so.
        ca_file: PEM file of trusted issuers, or None for the system's.
        certificate_file, key_file: the edge's own certificate for mutual TLS, or None.
        server_name: the name expected, or None for the upstream's host.
    """

    verify: bool = True
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a function listens: one address.

    Attributes:
        scheme: `run` for a function that the edge runs itself: which of its processes takes a
            request is settled when a connection is opened.
        host, port: for `http` and `https`; `host` is the deployment's id for `run`.
        socket: the path of a Unix socket for `unix`; for `run` the one process that a request is
            for, shortened, or empty; else empty.
        base: path put before every target, without a trailing slash; mostly empty.
        key: the same for addresses that may share connections: all but `base`.
    """

    scheme: Literal["http", "https", "unix", "run"]
    host: str = ""
    port: int = 0
    socket: str = ""
    base: str = ""
    tls: Tls = Tls()
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Name what connections depend on, once: text, since its hash is kept."""
        parts = (self.scheme, self.host, self.port, self.socket, self.tls)
        object.__setattr__(self, "key", repr(parts))

    @property
    def authority(self) -> str:
        """The value of `Host` for this upstream (RFC 9110 §7.2), without a default port."""
        if self.scheme in ("unix", "run"):
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as one writes it in a project file."""
        if self.scheme == "unix":
            return f"unix:{self.socket}"
        if self.scheme == "run":
            return f"run:{self.host}"
        return f"{self.scheme}://{self.authority}{self.base}"


@dataclass(frozen=True, slots=True)
class Cors:
    """What the edge answers to browsers (Fetch standard, CORS protocol).

    Attributes:
        origins: `("*",)` or exact origins.
        methods: None for the function's allowed methods.
        headers: None for whatever is asked for.
        max_age: seconds.
    """

    origins: tuple[str, ...] = ("*",)
    methods: tuple[str, ...] | None = None
    headers: tuple[str, ...] | None = None
    credentials: bool = False
    max_age: int = 86400


@dataclass(frozen=True, slots=True)
class McpSettings:
    """`config.mcp`."""

    enabled: bool = True
    upstream: str | None = None
    bridge: bool = False
    search: bool = False
    origins: tuple[str, ...] = ()
    forward_headers: tuple[str, ...] = ()
    stream: StreamMode = "last"


@dataclass(frozen=True, slots=True)
class Cron:
    """One schedule of `config.cron`.

    Attributes:
        overlap: whether a run starts while the one before it is still going.
        grace: seconds for which a tick missed while the edge was down still counts.
    """

    expression: str
    timezone: str = "UTC"
    name: str | None = None
    bot_id: str | None = None
    overlap: Literal["skip", "allow"] = "skip"
    grace: int = 60


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """`config` of a project file.

    Attributes:
        path: route pattern; `*` matches every route.
        timeout: milliseconds from the last body byte sent to the answer's head.
        stream_idle: milliseconds without a byte in an event stream or WebSocket.
        cors: None when turned off.
        body_limit: bytes of a request body, or None for no limit.
        rate: how often all callers together may call, or None for no limit.
        accept_tokens_in: None for the edge's default.
        oauth: whether the function answers OAuth discovery itself.
    """

    public: bool = False
    mcp: McpSettings = McpSettings()
    methods: tuple[str, ...] = DEFAULT_METHODS
    path: PathTemplate = EVERY_PATH
    timeout: int = 30_000
    stream_idle: int = 900_000
    cors: Cors | None = Cors()
    body_limit: int | None = 10 * 1024 * 1024
    rate: Rate | None = None
    cron: tuple[Cron, ...] = ()
    open_routes: bool = True
    accept_tokens_in: tuple[TokenPlace, ...] | None = None
    oauth: bool = False


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """One entry of `tools` in a project file: an override of an operation, or a tool of its own.

    Attributes:
        operation_id: the operation it describes, or None if `method` and `path` name one.
        mcp: False leaves the tool out of `/mcp`.
        stream: None where the function's holds.
    """

    name: str
    operation_id: str | None = None
    method: str | None = None
    path: str | None = None
    input_schema: dict[str, Any] | None = None
    description: str | None = None
    title: str | None = None
    annotations: dict[str, Any] | None = None
    icons: tuple[dict[str, Any], ...] | None = None
    public: bool | None = None
    mcp: bool = True
    methods: tuple[str, ...] | None = None
    timeout: int | None = None
    cron: tuple[Cron, ...] = ()
    stream: StreamMode | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How many processes a function has that the edge runs (`scale` in a project file).

    Attributes:
        minimum, maximum: processes; with a minimum of 0 the function sleeps while nobody calls.
        concurrency: requests in flight in one process, or None for as many as the edge lets in.
        idle: seconds without a request after which processes beyond the minimum end.
    """

    minimum: int = 0
    maximum: int = 1
    concurrency: int | None = None
    idle: float = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """How the edge runs a function: exactly one of `command` and `entrypoint`.

    Attributes:
        command: a program and its arguments; empty for an `entrypoint`.
        entrypoint: a Python file in the project, with slashes; empty for a `command`.
        build: a program and its arguments, run once for each deployment; may be empty.
    """

    command: tuple[str, ...] = ()
    entrypoint: str = ""
    build: tuple[str, ...] = ()
    scale: Scale = Scale()


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """Where a function's OpenAPI document comes from.

    Attributes:
        kind: `path` on the upstream, `file` in the project, `url`, or `none`.
        location: the path, file name or URL.
        declared: whether the project file says so, rather than the default doing it.
        refresh: seconds between two looks.
    """

    kind: Literal["path", "file", "url", "none"] = "path"
    location: str = "/openapi.json"
    declared: bool = False
    refresh: int = 300


@dataclass(frozen=True, slots=True)
class Project:
    """A project file, checked: all that a deployment is made from, its document apart.

    Attributes:
        slug: `function` in the file.
        upstreams: where it listens; for one that the edge runs, empty until it is deployed.
        run: how the edge runs it, or None if it listens by itself.
        headers: fields added to every request to the upstream.
        preserve_host: whether the caller's `Host` is sent on.
        rewrite: whether addresses of the upstream in answers are rewritten to the caller's.
        text: the file as canonical JSON: what is stored, compared and downloaded.
    """

    slug: str
    upstreams: tuple[Upstream, ...]
    description: str = ""
    run: Run | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    preserve_host: bool = False
    rewrite: bool = True
    document: DocumentSource = DocumentSource()
    hosts: tuple[str, ...] = ()
    tools: tuple[ToolSettings, ...] = ()
    config: FunctionConfig = FunctionConfig()
    text: str = field(default="", repr=False)


def run_as(project: Project, deployment: str) -> Project:
    """A project with the address that its deployment has, where the edge runs it."""
    if project.run is None:
        return project
    return replace(project, upstreams=(Upstream("run", host=deployment),))


@dataclass(frozen=True, slots=True)
class Route:
    """A tool's own address, where the project file gives it settings of its own.

    Attributes:
        tool: the tool's name.
        method: its operation's method.
        methods: what it allows instead of the function's, or None.
        public, timeout: its own, or None for the function's.
    """

    tool: str
    method: str
    template: PathTemplate
    methods: tuple[str, ...] | None = None
    public: bool | None = None
    timeout: int | None = None

    def takes(self, method: str) -> bool:
        """Whether a request with this method is the tool's (`GET` implies `HEAD`)."""
        return allows(self.methods or (self.method,), method)


DeploymentOrigin = Literal["deploy", "document"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """An immutable version of a function.

    Attributes:
        id: `dep_` and random characters.
        created: Unix time, seconds.
        origin: what made it: a deploy, or a document that changed or arrived late.
        document_bytes: the size of its OpenAPI document, or None if it has none. The document
            itself stays in the registry: few are needed at a time, and they may be large.
        routes: tools with settings of their own, resolved against the document.
        digest: SHA-256 (hex) of project text, document and code: equal digests are equal
            deployments.
        code: SHA-256 (hex) of the project's files where the edge runs them, else empty.
    """

    id: str
    project: Project
    created: float
    origin: DeploymentOrigin
    document_bytes: int | None
    routes: tuple[Route, ...]
    digest: str
    code: str = ""

    @property
    def slug(self) -> str:
        """The function it is a version of."""
        return self.project.slug


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it is live: its slug and the deployment that answers for it.

    Attributes:
        created: Unix time, seconds, of its first deploy.
        since: Unix time, seconds, from which the live deployment has answered.
    """

    slug: str
    created: float
    live: Deployment
    since: float = 0.0

    @property
    def config(self) -> FunctionConfig:
        """The live deployment's configuration."""
        return self.live.project.config
