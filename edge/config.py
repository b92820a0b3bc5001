"""The edge's settings, declared once.

`SETTINGS` is the one table: the flags of `jelou serve`, the `JELOU_<NAME>` variables, the keys of
`edge.toml`, and how they are shown (`edge/config_shown.py`) come from it. Not here: reading them
(`edge/config_loading.py`), and what a single function may set (`edge/functions.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge.functions import TokenPlace
from edge.settings import (
    Address,
    Kind,
    bind,
    boolean,
    bytes_,
    choice,
    cidr,
    domain,
    log_target,
    or_off,
    parse_address,
    path,
    seconds,
    share,
    url,
    user,
    whole,
)

ADMIN_SOCKET = "admin.sock"
"""The management API's socket in the data directory: the server binds it, the client asks it."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the edge runs with. Durations are seconds and sizes bytes unless a field says otherwise.

    Attributes:
        domain_given: whether `domain` was set by anyone; published addresses are in host form then.
        turn: 0 or 1; an edge that takes over has the other one, and its processes are its own.
        max_timeout: milliseconds, as `config.timeout` of a function is.
        body_rate: bytes per second that a request body must keep up over `body_idle` seconds.
        worker_lifetime, worker_memory, auth_failures: None for no limit.
    """

    data_dir: Path
    bind: tuple[str, ...] = ("127.0.0.1:8080",)
    domain: str = "fn.localhost"
    domain_given: bool = False
    turn: int = 0
    public_url: str | None = None
    workers: int = 1
    loop: str = "auto"
    fast_lane: bool = True
    certfile: Path | None = None
    keyfile: Path | None = None
    http3: bool = False
    admin: str | None = None
    admin_client_ca: Path | None = None
    console: bool = True
    project: tuple[Path, ...] = ()
    drain_timeout: float = 10.0
    access_log: str = "stderr"
    access_log_format: str = "auto"
    access_log_sample: float = 1.0
    traces: str | None = None
    traces_sample: float = 1.0
    worker_lifetime: float | None = None
    worker_memory: int | None = None
    path_addressing: bool = True
    trusted_proxies: tuple[str, ...] = ()
    accept_tokens_in: tuple[TokenPlace, ...] = ("x-jelou-token",)
    max_connections: int = 10_000
    keep_alive: float = 75.0
    head_timeout: float = 10.0
    request_line: int = 8 * 1024
    header_block: int = 32 * 1024
    header_fields: int = 128
    body_idle: float = 30.0
    body_rate: int = 1024
    slow_reader: float = 30.0
    max_timeout: int = 120_000
    connect_timeout: float = 5.0
    answer_idle: float = 60.0
    in_flight: int = 1024
    queue: int = 256
    queue_timeout: float = 5.0
    mcp_body: int = 4 * 1024 * 1024
    mcp_sessions: int = 600
    auth_failures: int | None = 1_000
    json_depth: int = 128
    cron_runs: int = 1000
    audit_kept: int = 100_000
    tool_result: int = 4 * 1024 * 1024
    code_files: int = 2000
    code_size: int = 50 * 1000 * 1000
    build_timeout: float = 300.0
    deployments_kept: int = 20
    start_timeout: float = 30.0
    stop_timeout: float = 10.0
    log_size: int = 10 * 1024 * 1024
    log_files: int = 5
    log_rate: int = 5 * 1024 * 1024
    function_memory: int = 512 * 1024 * 1024
    function_descriptors: int = 4096
    function_processes: int = 512
    function_user: str = "auto"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        name: the field of `Config` and the key of `edge.toml`.
        kind: how its value is read and written.
        help: one sentence, ending in a full stop.
        many: whether it is a list; its flag may be repeated, its variable holds commas.
    """

    name: str
    kind: Kind
    help: str
    many: bool = False

    @property
    def flag(self) -> str:
        """`--` and the name; a boolean also has `--no-`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "JELOU_" + self.name.upper()

    @property
    def is_boolean(self) -> bool:
        """Whether the flag is a switch without a value."""
        return self.kind.metavar == ""

    @property
    def default(self) -> Any:
        """The default, or None where there is none or it depends on the environment."""
        return _DEFAULTS.get(self.name)

    def parse(self, value: object) -> Any:
        """The value of the field. Raises ValueError saying what to write instead."""
        if not self.many:
            return self.kind.parse(value)
        members = _members(value)
        return tuple(dict.fromkeys(self.kind.parse(member) for member in members))

    def plain(self, value: Any) -> Any:
        """The value as JSON and TOML can hold it; `parse` reads it back."""
        return [self.kind.plain(v) for v in value] if self.many else self.kind.plain(value)


_DEFAULTS = {f.name: f.default for f in fields(Config) if f.name != "data_dir"}
_LOOPS = choice("LOOP", ("auto", "asyncio", "uvloop"))
_FORMATS = choice("FORMAT", ("auto", "json", "text"))
_PLACES = choice("PLACE", ("x-jelou-token", "authorization", "x-api-key"))

SETTINGS: tuple[Setting, ...] = (
    Setting("bind", bind, "Where to listen: host:port, [::1]:8080 or unix:/path.", many=True),
    Setting("domain", domain, "A function is <slug>.<domain>."),
    Setting("public_url", url, "The base of every address that is printed or published."),
    Setting("workers", whole(1, 256), "Worker processes."),
    Setting("loop", _LOOPS, "Event loop: uvloop, asyncio, or auto: uvloop where it is installed."),
    Setting("fast_lane", boolean, "Whether plain HTTP/1.1 requests take the short way through."),
    Setting("certfile", path, "PEM certificate chain; with keyfile, binds are TLS."),
    Setting("keyfile", path, "PEM private key of certfile."),
    Setting("http3", boolean, "Whether TLS binds speak HTTP/3 too, over UDP on the same ports."),
    Setting("admin", bind, "Where the management API listens besides <data-dir>/admin.sock."),
    Setting("admin_client_ca", path, "PEM authorities; admin clients must show a certificate."),
    Setting("console", boolean, "Whether the admin address also serves the console."),
    Setting("project", path, "A project directory deployed at start.", many=True),
    Setting("data_dir", path, "Where the store, the keys and admin.sock live."),
    Setting(
        "access_log", log_target, "Where a line goes for each request: stderr, off, or a file."
    ),
    Setting(
        "access_log_format",
        _FORMATS,
        "json for programs, text for people, auto: text in a terminal.",
    ),
    Setting(
        "access_log_sample", share, "The share of successes that get a line; all else always does."
    ),
    Setting("traces", url, "OTLP endpoint (HTTP) to which spans go, as http://127.0.0.1:4318."),
    Setting(
        "traces_sample", share, "The share of new traces recorded; of a caller's trace, it decides."
    ),
    Setting("drain_timeout", seconds(0), "How long requests may finish after SIGTERM."),
    Setting(
        "worker_lifetime",
        or_off(seconds(1)),
        "How long a worker serves until another takes its place, or off.",
    ),
    Setting(
        "worker_memory",
        or_off(bytes_(1024 * 1024)),
        "Resident memory at which another worker takes its place, or off.",
    ),
    Setting("path_addressing", boolean, "Whether /<slug>/… works on every other host."),
    Setting("trusted_proxies", cidr, "Addresses or CIDRs whose X-Forwarded-* count.", many=True),
    Setting("accept_tokens_in", _PLACES, "Headers that may carry a runtime token.", many=True),
    Setting("max_connections", whole(1), "Client connections per worker; more are answered 503."),
    Setting("keep_alive", seconds(0), "How long an idle client connection is kept."),
    Setting("head_timeout", seconds(0), "How long a request head may take to arrive."),
    Setting("request_line", bytes_(64, 32768), "Longest request line (414)."),
    Setting("header_block", bytes_(1024, 65536), "Largest header block (431)."),
    Setting("header_fields", whole(8, 1024), "Most header fields (431)."),
    Setting("body_idle", seconds(0), "How long a request body may stand still (408)."),
    Setting("body_rate", bytes_(0), "Bytes a second that a request body must keep up (408)."),
    Setting("slow_reader", seconds(0), "How long a client may take no byte of a waiting answer."),
    Setting("max_timeout", whole(1), "Longest config.timeout of a function, in milliseconds."),
    Setting("connect_timeout", seconds(0), "Connecting to a function, TLS included."),
    Setting("answer_idle", seconds(0), "How long a function's answer may stand still."),
    Setting("in_flight", whole(1), "Requests in flight per function."),
    Setting("queue", whole(0), "Requests waiting per function beyond that; more are answered 503."),
    Setting("queue_timeout", seconds(0), "How long a request waits in that queue (503)."),
    Setting("mcp_body", bytes_(1024), "Largest body of an MCP request (413)."),
    Setting("mcp_sessions", whole(1), "MCP sessions opened a minute by one token (429)."),
    Setting(
        "auth_failures",
        or_off(whole(1)),
        "Failed token checks a minute from one address, or off; more are answered 429.",
    ),
    Setting("json_depth", whole(1, 1000), "Deepest nesting of an MCP request."),
    Setting("cron_runs", whole(1, 1_000_000), "Runs of its schedules kept for each function."),
    Setting("audit_kept", whole(100), "Records kept of who changed what; the oldest go."),
    Setting("tool_result", bytes_(1024), "Largest answer that becomes a tool result."),
    Setting("code_files", whole(1, 100_000), "Files of a project that the edge runs."),
    Setting("code_size", bytes_(1024), "Bytes of all of them together."),
    Setting("build_timeout", seconds(1, 3600), "How long an install or a build may take."),
    Setting("deployments_kept", whole(0), "Earlier deploys kept per function, to roll back to."),
    Setting("start_timeout", seconds(0.1), "How long a function may take to start."),
    Setting("stop_timeout", seconds(0), "How long a function may take to end after SIGTERM."),
    Setting("log_size", bytes_(65536), "Size of one file of a function's log."),
    Setting("log_files", whole(1, 1000), "Files of a function's log that are kept."),
    Setting("log_rate", bytes_(262_144), "Bytes a second that are kept of a function's output."),
    Setting("function_memory", bytes_(0), "Resident memory of one instance; 0 for no limit."),
    Setting("function_descriptors", whole(32), "Open files of one process of a function."),
    Setting("function_processes", whole(1), "Processes of a function that has a user of its own."),
    Setting("function_user", user, "Who functions run as: auto, same, or a user's name."),
)


def as_plain(config: Config) -> dict[str, Any]:
    """The configuration as JSON can hold it, for a worker; `from_plain` reads it back."""
    plain = {s.name: s.plain(getattr(config, s.name)) for s in SETTINGS}
    present = {name: value for name, value in plain.items() if value is not None}
    return present | {"domain_given": config.domain_given, "turn": config.turn}


def from_plain(plain: Mapping[str, Any]) -> Config:
    """The configuration that `as_plain` wrote."""
    values = {s.name: s.parse(plain[s.name]) for s in SETTINGS if s.name in plain}
    return Config(**values, domain_given=bool(plain["domain_given"]), turn=plain["turn"])


def base_url(config: Config, bound: Sequence[str]) -> str:
    """The edge's own address: `public_url`, else the first address that it is bound to.

    Args:
        bound: addresses as they were bound, ports included; `unix:/path` ones name no host, so
            they count only as `http://localhost` when there is no other.
    """
    if config.public_url is not None:
        return config.public_url
    return _scheme(config) + "://" + _authority(config, _first_host(bound))


def function_url(config: Config, bound: Sequence[str], slug: str) -> str:
    """A function's published address, without a trailing slash.

    Host form where `domain` was given and nothing says otherwise, or where paths do not address
    functions; path form below `base_url` for the rest. A `public_url` that names another host
    than `domain` is a base for paths.
    """
    base = urlsplit(base_url(config, bound))
    if not _in_host_form(config, base.hostname or ""):
        return f"{base_url(config, bound)}/{slug}"
    port = f":{base.port}" if base.port else ""
    return f"{base.scheme}://{slug}.{config.domain}{port}"


def _in_host_form(config: Config, base_host: str) -> bool:
    if not config.path_addressing:
        return True
    return config.domain_given and (config.public_url is None or base_host == config.domain)


def _scheme(config: Config) -> str:
    return "https" if config.certfile else "http"


def _first_host(bound: Sequence[str]) -> Address:
    hosts = (address for address in map(parse_address, bound) if not address.path)
    return next(hosts, Address("localhost"))


def _authority(config: Config, address: Address) -> str:
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 — what is bound, not a bind
    reachable = Address(loopback.get(address.host, address.host), address.port)
    if address.port in {0, 443 if config.certfile else 80}:
        return str(reachable).rsplit(":", 1)[0]
    return str(reachable)


def _members(value: object) -> list[object]:
    if isinstance(value, str):
        return [member.strip() for member in value.split(",") if member.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]
