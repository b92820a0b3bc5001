"""A middleware of the SDK's servers: what goes wrong in a handler is logged, and not told."""

import logging
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from mcp_bridge.jsonrpc import INTERNAL_ERROR

_log = logging.getLogger(__name__)


async def guard(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Keep the text of unexpected exceptions off the wire."""
    try:
        return await call_next(ctx)
    except (MCPError, ValidationError):
        raise
    except Exception:
        _log.exception("%s failed", ctx.method)
        raise MCPError(INTERNAL_ERROR, "Internal error") from None
