"""A proxy of aiohttp's server and client on uvloop, both ways streamed."""

import ssl
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

from tests.benchmarks.apps.settings import (
    CERTIFICATE,
    DROPPED,
    KEY,
    PORT,
    REFUSAL,
    UPSTREAM,
    is_known,
)

SESSION = web.AppKey("session", aiohttp.ClientSession)


async def proxy(request: web.Request) -> web.StreamResponse:
    """Check the token and pass the request on."""
    if not is_known(request.headers.get("X-Jelou-Token", "")):
        return web.Response(body=REFUSAL, status=401, content_type="application/json")
    fields = [(k, v) for k, v in request.headers.items() if k.lower() not in DROPPED]
    body = request.content if request.body_exists else None
    async with request.app[SESSION].request(
        request.method, UPSTREAM + request.path_qs, headers=fields, data=body
    ) as answer:
        response = web.StreamResponse(status=answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in DROPPED:
                response.headers.add(name, value)
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    """The client's connections, for as long as the server runs."""
    connector = aiohttp.TCPConnector(limit=1024)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
    ) as app[SESSION]:
        yield


def main() -> None:
    """Serve until the process is ended."""
    app = web.Application(client_max_size=2**40)
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", proxy)
    context = None
    if CERTIFICATE:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE, KEY)
    web.run_app(
        app,
        host="127.0.0.1",
        port=PORT,
        ssl_context=context,
        access_log=None,
        print=None,
        backlog=1024,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
