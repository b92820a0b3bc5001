"""A deployment's OpenAPI document as the edge publishes it: with its own address and token. Pure.

What the function's own document says of servers and security is about a place that callers never
see, so it is replaced; tools are made elsewhere, from the document as it was fetched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from edge.functions import Route
from mcp_bridge.document import DocumentError, load
from mcp_bridge.parameters import OperationError
from mcp_bridge.urls import base_path
from tokens.paths import is_plain

SCHEME = {"type": "apiKey", "in": "header", "name": "X-Jelou-Token"}
"""The security scheme `jelouToken` (OpenAPI 3.1 §4.8.27)."""

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_PROTECTED: list[dict[str, list[str]]] = [{"jelouToken": []}]

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Published:
    """A document as it is published, and what it said to the edge alone.

    Attributes:
        body: JSON.
        defines: whether the function was made by `define()`: it is one tool.
        name, description: of that tool, as its author wrote them.
    """

    body: bytes
    defines: bool
    name: str
    description: str


def published(
    document: bytes, *, url: str, public: bool, routes: tuple[Route, ...]
) -> Published | None:
    """The document that `/openapi.json` answers with; the same for every caller.

    Args:
        document: as it was fetched.
        url: the function's published address, without a trailing slash.
        public: whether the function is.
        routes: the deployment's, in the order in which they count.

    Returns:
        None if the document is not OpenAPI 3.x.
    """
    try:
        value = load(document)
    except DocumentError:
        return None
    base = _base(value) or ""
    for path, item in _path_items(value):
        own_base = _publish_servers(item, url)
        for method, operation in _operations(item):
            nearest = _publish_servers(operation, url)
            full = next(each for each in (nearest, own_base, base) if each is not None) + path
            operation["security"] = _security(_is_public(method, full, public, routes))
    value["servers"] = [{"url": url + base}]
    value["security"] = _security(public)
    _add_scheme(value)
    told = _object(value.pop("x-jelou", None))
    return Published(
        body=orjson.dumps(value),
        defines=told.get("mode") == "define",
        name=_text(_object(value.get("info")).get("title")),
        description=_text(_object(told.get("project")).get("description")),
    )


def _object(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _path_items(document: JSON) -> Iterator[tuple[str, JSON]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        if isinstance(item, dict):
            yield path, item


def _operations(item: JSON) -> Iterator[tuple[str, JSON]]:
    for method in _METHODS:
        operation = item.get(method)
        if isinstance(operation, dict):
            yield method.upper(), operation


def _publish_servers(holder: JSON, url: str) -> str | None:
    """Move a path's or an operation's own `servers` behind the edge; returns its base path."""
    base = _base(holder)
    if base is None:
        holder.pop("servers", None)
    else:
        holder["servers"] = [{"url": url + base}]
    return base


def _base(holder: JSON) -> str | None:
    """The base path of the first of `servers`, which a function keeps behind the edge too."""
    servers = holder.get("servers")
    if not isinstance(servers, list) or not servers or not isinstance(servers[0], dict):
        return None
    try:
        return base_path(servers[0])
    except OperationError:
        return None


def _is_public(method: str, path: str, public: bool, routes: tuple[Route, ...]) -> bool:
    """As the gate judges it: the first route that takes the request, else the function."""
    raw = path.encode("utf-8", "surrogatepass")
    if not is_plain(raw):
        return False
    for route in routes:
        if route.takes(method) and route.template.matches(raw):
            return public if route.public is None else route.public
    return public


def _security(public: bool) -> list[dict[str, list[str]]]:
    return [] if public else _PROTECTED


def _add_scheme(document: JSON) -> None:
    components = _object(document.get("components"))
    schemes = _object(components.get("securitySchemes"))
    document["components"] = {
        **components,
        "securitySchemes": {**schemes, "jelouToken": SCHEME},
    }
