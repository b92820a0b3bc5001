"""`config` in a project file: who may call, how long it may take, what browsers are told. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from edge.functions import EVERY_PATH, Cors, FunctionConfig, McpSettings, TokenPlace
from edge.project_file.cron import read_cron
from edge.project_file.fields import wrong_forwarded_name
from edge.project_file.reader import Section, quote
from edge.project_file.texts import (
    wrong_field_name,
    wrong_mcp_path,
    wrong_method,
    wrong_origin,
    wrong_template,
)
from mcp_bridge.tools import StreamMode
from tokens.paths import PathTemplate
from tokens.rate import Rate, parse_rate

CONFIG_KEYS = (
    "public",
    "mcp",
    "methods",
    "path",
    "timeout",
    "streamIdle",
    "cors",
    "limits",
    "cron",
    "openRoutes",
    "acceptTokensIn",
    "oauth",
)
MCP_KEYS = ("upstream", "bridge", "search", "origins", "forwardHeaders", "stream")
LIMIT_KEYS = ("body", "rate")
CORS_KEYS = ("origin", "methods", "headers", "credentials", "maxAge")
TOKEN_PLACES: tuple[TokenPlace, ...] = ("x-jelou-token", "authorization", "x-api-key")

MAX_STREAM_IDLE = 86_400_000
MAX_CORS_AGE = 31_536_000

_DEFAULT = FunctionConfig()


@dataclass(frozen=True, slots=True)
class Rules:
    """What a project file is judged by and does not say itself.

    Attributes:
        max_timeout: milliseconds that no `timeout` may exceed.
        domain: the edge's own domain, where no function may have a host; empty if unknown.
        known_timezone: whether a name is an IANA time zone.
    """

    max_timeout: int
    domain: str
    known_timezone: Callable[[str], bool]


def read_config(section: Section, rules: Rules) -> FunctionConfig:
    """The object `config` of the file."""
    limits = section.section("limits", LIMIT_KEYS)
    return FunctionConfig(
        public=section.boolean("public", _DEFAULT.public),
        mcp=_read_mcp(section),
        methods=read_methods(section) or _DEFAULT.methods,
        path=_read_path(section),
        timeout=read_timeout(section, rules) or _DEFAULT.timeout,
        stream_idle=section.integer(
            "streamIdle", _DEFAULT.stream_idle, 1, MAX_STREAM_IDLE, "milliseconds"
        ),
        cors=_read_cors(section),
        body_limit=_read_body_limit(limits),
        rate=_read_rate(limits),
        cron=read_cron(section, rules.known_timezone),
        open_routes=section.boolean("openRoutes", _DEFAULT.open_routes),
        accept_tokens_in=_read_token_places(section),
        oauth=_read_oauth(section),
    )


def read_methods(section: Section) -> tuple[str, ...] | None:
    """`methods` of a function or a tool; None where the file is silent."""
    if "methods" not in section:
        return None
    if section.get("methods") == []:
        section.problem("methods", 'allows nothing; name a method, such as "POST"')
    return section.strings("methods", "a list of HTTP methods", wrong_method) or None


def read_timeout(section: Section, rules: Rules) -> int | None:
    """`timeout` of a function or a tool, in milliseconds; None where the file is silent."""
    if "timeout" not in section:
        return None
    return section.integer("timeout", _DEFAULT.timeout, 1, rules.max_timeout, "milliseconds")


def read_stream(section: Section) -> StreamMode | None:
    """`stream` of a function or a tool; None where the file is silent."""
    value = section.get("stream")
    if "stream" in section and value not in ("last", "concat"):
        section.expected("stream", '"last" or "concat"')
    return "concat" if value == "concat" else "last" if value == "last" else None


def _read_path(section: Section) -> PathTemplate:
    path = section.string("path", EVERY_PATH.text)
    if path == EVERY_PATH.text:
        return EVERY_PATH
    wrong = wrong_template(path)
    if wrong:
        section.problem("path", wrong)
    return EVERY_PATH if wrong else PathTemplate(path)


def _read_mcp(section: Section) -> McpSettings:
    value = section.get("mcp")
    if isinstance(value, bool):
        return McpSettings(enabled=value)
    if "mcp" in section and not isinstance(value, dict):
        section.expected("mcp", "true, false or an object")
        return McpSettings()
    mcp = section.section("mcp", MCP_KEYS)
    return McpSettings(
        upstream=_read_mcp_upstream(mcp),
        bridge=_read_mcp_bridge(mcp),
        search=mcp.boolean("search", False),
        origins=mcp.strings("origins", "a list of origins", wrong_origin),
        forward_headers=tuple(
            dict.fromkeys(
                name.lower()
                for name in mcp.strings(
                    "forwardHeaders", "a list of header names", wrong_forwarded_name
                )
            )
        ),
        stream=read_stream(mcp) or McpSettings().stream,
    )


def _read_mcp_upstream(mcp: Section) -> str | None:
    """The path of the function's own MCP endpoint."""
    if mcp.get("upstream") is None:
        return None
    path = mcp.string("upstream", "")
    wrong = wrong_mcp_path(path)
    if wrong:
        mcp.problem("upstream", wrong)
    return None if wrong else path


def _read_mcp_bridge(mcp: Section) -> bool:
    bridge = mcp.boolean("bridge", False)
    if bridge and mcp.get("upstream") is None:
        mcp.problem("bridge", 'needs "upstream", the path of the MCP server that it speaks for')
    return bridge


def _read_cors(section: Section) -> Cors | None:
    value = section.get("cors")
    if isinstance(value, bool):
        return Cors() if value else None
    if "cors" in section and not isinstance(value, dict):
        section.expected("cors", "true, false or an object")
        return None
    cors = section.section("cors", CORS_KEYS)
    origins = _read_origins(cors)
    credentials = cors.boolean("credentials", False)
    if credentials and "*" in origins:
        cors.problem(
            "credentials",
            'true does not go with origin "*": browsers refuse it; name the origins',
        )
    return Cors(
        origins,
        methods=_unless_star(cors, "methods", wrong_method),
        headers=_unless_star(cors, "headers", wrong_field_name),
        credentials=credentials,
        max_age=cors.integer("maxAge", Cors().max_age, 0, MAX_CORS_AGE, "seconds"),
    )


def _read_origins(cors: Section) -> tuple[str, ...]:
    value = cors.get("origin")
    if "origin" not in cors or value == "*":
        return ("*",)
    if isinstance(value, str):
        wrong = wrong_origin(value)
        if wrong:
            cors.problem("origin", wrong)
        return (value,)
    if value == []:
        cors.problem("origin", 'names no origin; write "*" or origins, or "cors": false')
    what = "an origin or a list of origins"
    found = cors.strings("origin", what, lambda each: None if each == "*" else wrong_origin(each))
    return ("*",) if "*" in found else found


def _unless_star(
    cors: Section, key: str, check: Callable[[str], str | None]
) -> tuple[str, ...] | None:
    if key not in cors or cors.get(key) == "*":
        return None
    found = cors.strings(key, "a list of names", lambda each: None if each == "*" else check(each))
    return None if "*" in found else found


def _read_body_limit(limits: Section) -> int | None:
    if "body" in limits and limits.get("body") is None:
        return None
    return limits.integer("body", _DEFAULT.body_limit or 0, 0, 2**53, "bytes (or null)")


def _read_rate(limits: Section) -> Rate | None:
    if limits.get("rate") is None:
        return None
    try:
        return parse_rate(limits.string("rate", "1/s"))
    except ValueError as wrong:
        limits.problem("rate", str(wrong))
        return None


def _read_token_places(section: Section) -> tuple[TokenPlace, ...] | None:
    if "acceptTokensIn" not in section:
        return None
    found = section.strings("acceptTokensIn", "a list of header names", _wrong_token_place)
    places = tuple(dict.fromkeys(name.lower() for name in found))
    if "x-jelou-token" not in places:
        section.problem("acceptTokensIn", 'must hold "x-jelou-token", which is always accepted')
    return cast(tuple[TokenPlace, ...], places)


def _wrong_token_place(name: str) -> str | None:
    if name.lower() in TOKEN_PLACES:
        return None
    return f"{quote(name)}: a token is looked for in {', '.join(TOKEN_PLACES)} alone"


def _read_oauth(section: Section) -> bool:
    value = section.get("oauth")
    if "oauth" in section and value not in ("function", "edge"):
        section.expected("oauth", '"function" or "edge"')
    return bool(value == "function")
