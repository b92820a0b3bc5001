"""MCP servers that speak the revisions of one era alone, and refuse a client of the other."""

import json
from collections.abc import Mapping
from typing import Any

ONLY_HANDSHAKE, ONLY_STATELESS = "only-handshake", "only-stateless"


def is_foreign(only: str, fields: Mapping[str, str]) -> bool:
    """Whether a request is of the era that a server does not speak.

    Args:
        only: `only-handshake`, `only-stateless`; anything else: it speaks both.
        fields: the request's, names in lower case.
    """
    if only not in (ONLY_HANDSHAKE, ONLY_STATELESS):
        return False
    return (only == ONLY_STATELESS) != (fields.get("mcp-protocol-version", "") >= "2026")


async def refuse(send: Any) -> None:
    """As a server of one era refuses a client of the other, by ASGI."""
    error = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
