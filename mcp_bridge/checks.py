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

from mcp_bridge.admission import Fields
from mcp_bridge.catalog import Entry
from mcp_bridge.jsonrpc import Message
from mcp_bridge.revisions import is_stateless

_OF_MCP = b"mcp-"
_MIRRORED = b"mcp-param-"
_PARAMS: dict[str, type[BaseModel]] = {
    "tools/call": types.CallToolRequestParams,
    "tools/list": types.PaginatedRequestParams,
}
"""What handlers are given, whatever the revision: keys of other revisions are checked too."""


def is_sound(message: Message, revision: str, headers: Fields) -> bool:
    """Whether the SDK would let a request of a known revision through to its handler.

    On the stateless revision header and body must agree (MCP 2026-07-28, Streamable HTTP).
    """
    if is_stateless(revision):
        named = _routing(headers)
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


def mirrors_agree(entry: Entry, arguments: dict[str, Any], headers: Fields) -> bool:
    """Whether the `Mcp-Param-*` headers of a call say what its arguments do."""
    if not entry.mirrors and not any(name.startswith(_MIRRORED) for name, _ in headers):
        return True
    named: dict[str, str] = {}
    for name, value in _routing(headers):
        named[name.upper() if name in named else name] = value  # the SDK folds case: stands twice
    return validate_mcp_param_headers(entry.tool.input_schema, arguments, named) is None


def _routing(headers: Fields) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name.startswith(_OF_MCP)
    ]
