"""A proxy of Starlette and httpx or httpx2, both ways streamed, as their documentation has it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.benchmarks.apps.settings import DROPPED, REFUSAL, UPSTREAM, is_known

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def proxy(request: Request) -> Response:
    """Check the token and pass the request on."""
    if not is_known(request.headers.get("x-jelou-token", "")):
        return Response(REFUSAL, 401, media_type="application/json")
    client = request.app.state.client
    sent = client.build_request(
        request.method,
        request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        headers=[(k, v) for k, v in request.headers.items() if k not in DROPPED],
        content=request.stream() if request.method != "GET" else None,
    )
    answer = await client.send(sent, stream=True)
    return StreamingResponse(
        answer.aiter_raw(),
        answer.status_code,
        {k: v for k, v in answer.headers.items() if k.lower() not in DROPPED},
        background=BackgroundTask(answer.aclose),
    )


def _application(library: Any) -> Starlette:
    return Starlette(
        routes=[Route("/{path:path}", proxy, methods=METHODS)], lifespan=_client_of(library)
    )


def _client_of(library: Any) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        limits = library.Limits(max_connections=1024, max_keepalive_connections=1024)
        async with library.AsyncClient(base_url=UPSTREAM, limits=limits, timeout=None) as client:
            app.state.client = client
            yield

    return lifespan


def __getattr__(name: str) -> Starlette:
    """`with_httpx` and `with_httpx2`, each importing only its own library."""
    if name == "with_httpx":
        import httpx  # noqa: PLC0415

        return _application(httpx)
    if name == "with_httpx2":
        import httpx2  # noqa: PLC0415

        return _application(httpx2)
    raise AttributeError(name)
