"""The SDK's own checks of a request, asked without its server."""

from typing import Any

import mcp_types as types
from mcp.shared.inbound import (
    InboundModernRoute,
    classify_inbound_request,
    find_duplicated_routing_header,
    validate_mcp_param_headers,
)
from mcp_types.methods import validate_client_request
from pydantic import BaseModel, ValidationError

from mcp_bridge.admission import McpHead
from mcp_bridge.catalog import Entry
from mcp_bridge.jsonrpc import Message
from mcp_bridge.jsontext import dump
from mcp_bridge.revisions import is_stateless

_USUAL = frozenset({"_meta", "arguments", "name"})
"""Parameters of most messages; answers of a client's user, which others hold, are not kept."""

MOST_SOUND = 1024
"""Messages that are known to be sound."""

_LONGEST_SOUND = 2048
"""Bytes of one that is worth knowing."""

_PARAMS: dict[str, type[BaseModel]] = {
    "tools/call": types.CallToolRequestParams,
    "tools/list": types.PaginatedRequestParams,
}
"""What handlers are given, whatever the revision: keys of other revisions are checked too."""


class Checks:
    """Whether the SDK would let requests of a known revision through to their handlers.

    What passed once passes again: the arguments of a call apart, of which it only says that they
    are an object, all that it looks at is compared as JSON. One instance per worker.
    """

    def __init__(self) -> None:
        self._sound: set[bytes] = set()

    def is_sound(self, message: Message, revision: str, head: McpHead) -> bool:
        """Whether the SDK would; on the stateless revision header and body must agree too.

        MCP 2026-07-28, Streamable HTTP.
        """
        looked_at = _looked_at(message, revision, head)
        if looked_at in self._sound:
            return True
        sound = _is_sound(message, revision, head)
        if sound and 0 < len(looked_at) <= _LONGEST_SOUND:
            if len(self._sound) >= MOST_SOUND:
                self._sound.clear()
            self._sound.add(looked_at)
        return sound


def _looked_at(message: Message, revision: str, head: McpHead) -> bytes:
    """All of a request that decides whether it is sound; empty if it says more than most do."""
    params = message.value.get("params")
    if params is not None:
        if not params.keys() <= _USUAL:
            return b""
        if isinstance(params.get("arguments"), dict):
            params = {**params, "arguments": {}}
    routing = head.routing if is_stateless(revision) else ()
    return dump((message.method, revision, routing, params))


def _is_sound(message: Message, revision: str, head: McpHead) -> bool:
    if is_stateless(revision):
        named = head.routing
        if find_duplicated_routing_header(named) is not None:
            return False
        route = classify_inbound_request(message.value, headers=dict(named))
        if not isinstance(route, InboundModernRoute):
            return False
    params, given = message.value.get("params"), _PARAMS.get(message.method)
    try:
        validate_client_request(message.method, revision, params)
        if given is not None:
            given.model_validate(params or {}, by_name=False)
    except (KeyError, ValueError, ValidationError):
        return False
    return True


def mirrors_agree(entry: Entry, arguments: dict[str, Any], head: McpHead) -> bool:
    """Whether the `Mcp-Param-*` headers of a call say what its arguments do."""
    if not entry.mirrors and not head.mirrors:
        return True
    named: dict[str, str] = {}
    for name, value in head.routing:
        named[name.upper() if name in named else name] = value  # the SDK folds case: stands twice
    return validate_mcp_param_headers(entry.tool.input_schema, arguments, named) is None
