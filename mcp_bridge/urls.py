"""Paths of a document's servers and templates, checked before anything is put into them. Pure."""

import re
from typing import Any
from urllib.parse import quote, urlsplit

from mcp_bridge.parameters import OperationError
from tokens.paths import is_plain

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_TEMPLATE = re.compile(r"\{[^{}/]+\}")

_MAX_URL = 2_048

STATIC_SAFE = "/-._~!$&'()*+,;=:@%"
"""Characters of a path that stand as they are (RFC 3986 §3.3), escapes among them."""


def base_path(server: dict[str, Any]) -> str:
    """The path of a Server Object, to be put before paths: no trailing slash, mostly empty.

    Only the path counts, also of an absolute URL: where a function is, the edge knows.

    Raises:
        OperationError: the path holds what servers disagree about.
    """
    url = server.get("url")
    variables = server.get("variables")
    if not isinstance(url, str):
        return ""
    if len(url) > _MAX_URL:
        raise OperationError(f"the server's address is over {_MAX_URL} characters")
    defaults = variables if isinstance(variables, dict) else {}
    filled = _VARIABLE.sub(lambda match: _default(defaults.get(match[1])), url)
    try:
        path = urlsplit(filled).path
    except ValueError:
        raise OperationError(f"the server's address {url[:100]!r} is not a URL") from None
    path = path.removeprefix(".").rstrip("/")
    path = f"/{path.lstrip('/')}" if path.strip("/") else ""
    if not is_plain(path.encode()):
        raise OperationError(f"the server's path {path[:100]!r} is not plain")
    return quote(path, safe=STATIC_SAFE)


def _default(variable: Any) -> str:
    value = variable.get("default") if isinstance(variable, dict) else None
    return value if isinstance(value, str) else ""


def template_problem(path: str) -> str | None:
    """Why a path template cannot be sent, or None."""
    static = _TEMPLATE.sub("x", path)
    if "{" in static or "}" in static:
        return "the path has an unbalanced brace"
    if "?" in static or "#" in static:
        return "the path holds a query or a fragment"
    if not is_plain(static.encode("utf-8", "surrogatepass")):
        return "the path holds a dot segment, //, \\, %2f, %5c or %00"
    return None
