"""A small app for the server's tests: each path does one thing a real app might."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from edge.config import Config
from edge.events import Observe, unobserved
from edge.state.peers import Peers


@dataclass
class State:
    draining: bool = False
    succeeded: bool = False


@dataclass
class Small:
    """What a worker serves, as `edge.server.worker.Served` has it.

    Attributes:
        seen: method and path of every request that came to the app.
        heard: what other workers told.
    """

    fails: bool = False
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    state: State = field(default_factory=State)
    left: int = 0
    streams_end: asyncio.Event = field(default_factory=asyncio.Event)
    fast_lane: None = None
    observe: Observe = unobserved
    peers: Peers = field(default_factory=Peers)
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = App(self)
        self.peers.hear("said", self.heard.append)
        self.local_admin = admin("local")
        self.remote_admin = admin("remote")

    def end_streams(self) -> None:
        self.streams_end.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self.fails:
            raise RuntimeError("the store is corrupt")
        yield


def build(config: Config, bound: Sequence[str], peers: Peers) -> Small:
    """A factory."""
    return Small(peers=peers)


def failing(config: Config, bound: Sequence[str], peers: Peers) -> Small:
    """A factory of what does not start."""
    return Small(fails=True)


def admin(name: str) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, f"{name} admin".encode())

    return app


class App:
    def __init__(self, small: Small) -> None:
        self.small = small

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.small.seen.append((scope.get("method", "websocket"), scope["raw_path"]))
        if scope["type"] == "websocket":
            await echo(receive, send)
            return
        name = scope["raw_path"].strip(b"/").decode("latin-1").partition("/")[0]
        await getattr(self, f"on_{name}", self.on_missing)(scope, receive, send)

    async def on_missing(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"nothing here", 404)

    async def on_pid(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, str(os.getpid()).encode())

    async def on_loop(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, type(asyncio.get_running_loop()).__module__.encode())

    async def on_tell(self, scope: Any, receive: Any, send: Any) -> None:
        self.small.peers.tell("said", scope["query_string"].decode())
        await answer(send, b"told")

    async def on_heard(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, " ".join(self.small.heard).encode())

    async def on_left(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, str(self.small.left).encode())

    async def on_tasks(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, str(len(asyncio.all_tasks())).encode())

    async def on_ready(self, scope: Any, receive: Any, send: Any) -> None:
        draining = self.small.state.draining
        await answer(send, b"draining" if draining else b"ready", 503 if draining else 200)

    async def on_target(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = scope["extensions"]["jelou.connection"]
        await answer(send, scope["method"].encode() + b" " + exchange.target)

    async def on_bytes(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(piece(b"x" * int(scope["query_string"])))
        await send(piece(b"", last=True))

    async def on_field(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"x", b"y" * int(scope["query_string"]))))
        await send(piece(b"said", last=True))

    async def on_trailers(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start() | {"trailers": True})
        await send(piece(b"said", last=True))
        await send({"type": "http.response.trailers", "headers": [(b"sum", b"4")]})

    async def on_body(self, scope: Any, receive: Any, send: Any) -> None:
        size = 0
        more = True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await answer(send, str(size).encode())

    async def on_early(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no thanks", 413)

    async def on_slow(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"transfer-encoding", b"chunked")))
        await send(piece(b"begun"))
        await asyncio.sleep(float(scope["query_string"] or b"1"))
        await send(piece(b" done", last=True))

    async def on_endless(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"transfer-encoding", b"chunked")))
        await send(piece(b"open"))
        await self.small.streams_end.wait()
        await send(piece(b" closed", last=True))

    async def on_abort(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start(*_framing(scope)))
        await send(piece(b"half"))
        scope["extensions"]["jelou.connection"].abort()

    async def on_crash(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start(*_framing(scope)))
        await send(piece(b"half"))
        raise RuntimeError("amid the answer")

    async def on_flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"transfer-encoding", b"chunked")))
        while not scope["extensions"]["jelou.connection"].gone:
            await send(piece(b"x" * 32768))
        self.small.left += 1

    async def on_stuck(self, scope: Any, receive: Any, send: Any) -> None:
        await send(start((b"transfer-encoding", b"chunked")))
        await send(piece(b"waiting"))
        message = {"type": "http.request"}
        while message["type"] != "http.disconnect":
            message = await receive()
        self.small.left += 1


async def echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    message = await receive()
    while message["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
        message = await receive()


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(data: bytes, *, last: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": not last}


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    await send(start((b"content-length", b"%d" % len(body)), status=status))
    await send(piece(body, last=True))


def _framing(scope: Any) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"1000")] if scope["query_string"] == b"length" else []
