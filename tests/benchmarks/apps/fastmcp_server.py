"""FastMCP from an OpenAPI document, as its documentation has it, behind a check of the token."""

import json
import os
from pathlib import Path
from typing import Any

import httpx2
from fastmcp import FastMCP
from starlette.middleware import Middleware
from starlette.responses import Response

from tests.benchmarks.apps.settings import REFUSAL, UPSTREAM, is_known


class TokenCheck:
    """ASGI middleware: SHA-256 of the token among the known digests, else 401."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "http":
            token = dict(scope["headers"]).get(b"x-jelou-token", b"")
            if not is_known(token.decode("latin-1")):
                await Response(REFUSAL, 401, media_type="application/json")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def application() -> Any:
    """The server's ASGI application."""
    document = json.loads(Path(os.environ["BENCH_DOCUMENT"]).read_text("utf-8"))
    limits = httpx2.Limits(max_connections=1024, max_keepalive_connections=1024)
    client = httpx2.AsyncClient(base_url=UPSTREAM, limits=limits, timeout=30)
    server = FastMCP.from_openapi(document, client=client, name="Orders")
    return server.http_app(
        path="/mcp",
        middleware=[Middleware(TokenCheck)],
        json_response=True,
        host_origin_protection=False,
    )
