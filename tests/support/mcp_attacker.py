"""An attacker of `/mcp`: an edge on one lane before a function of odd answers, and tokens for both.

What the function saw is what counts: `asked` tells it, and forgets it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.state.kept import sealing_keys, session_keys
from mcp_bridge.session import open_session, sign
from mcp_bridge.state import Call, digest_of, seal_state
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Answer, Fields
from tests.support.origin import Origin, Seen, Visit, serving

STATELESS = "2026-07-28"
HANDSHAKE = "2025-11-25"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
}
JSON = ("content-type", "application/json")
BOTH = ("accept", "application/json, text/event-stream")
TEXT = {"schema": {"type": "string"}}
LITERAL = "application/vnd.mcp.result+json"


def _operation(name: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "parameters": list(parameters)}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Target", "version": "1"},
    "paths": {
        "/say/{kind}/end": {
            "get": _operation(
                "say",
                {"name": "kind", "in": "path", "required": True, **TEXT},
                {"name": "X-Note", "in": "header", **TEXT},
                {"name": "q", "in": "query", **TEXT},
                {"name": "c", "in": "cookie", **TEXT},
            )
        },
        "/save": {
            "post": {
                "operationId": "save",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            }
        },
        **{
            f"/{name}": {"get": _operation(name, {"name": "a", "in": "query", **TEXT})}
            for name in ("hidden", "told", "ask", "askToo", "hold")
        },
    },
}
SCOPES = ["tool:say", "tool:save", "tool:told", "tool:ask", "tool:askToo", "tool:hold"]


@dataclass
class Attacker:
    """Sends what it likes, each message on a connection of its own.

    Attributes:
        tokens: `all`, `second` and `scoped` of `shop`; `other` and `big` of theirs.
        said: what the function answers at `/told`: type and body.
        status: with which status.
    """

    edge: EdgeInProcess
    origin: Origin
    tokens: dict[str, str]
    said: tuple[str, bytes] = ("application/json", b"{}")
    status: int = 200
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def asked(self) -> list[Seen]:
        """What the function saw since this was asked last."""
        seen, self.origin.seen[:] = list(self.origin.seen), []
        return seen

    async def send(
        self,
        body: bytes | None,
        fields: Fields = (JSON, BOTH),
        *,
        token: str = "all",
        slug: str = "shop",
        method: str = "POST",
    ) -> Answer:
        """Bytes as a body, with these fields."""
        sent = [*fields, ("x-jelou-token", self.tokens[token])]
        async with self.edge.http1() as client:
            return await client.ask("/mcp", method, sent, body, host=f"{slug}.fn.localhost")

    async def message(
        self, method: str, params: Any = None, *fields: tuple[str, str], rpc_id: Any = 1, **how: Any
    ) -> Answer:
        """One request of a handshake revision."""
        told = {"jsonrpc": "2.0", "id": rpc_id, "method": method}
        body = told if params is None else {**told, "params": params}
        return await self.send(json.dumps(body).encode(), (JSON, BOTH, *fields), **how)

    async def call(
        self, name: Any, arguments: Any = None, *fields: tuple[str, str], **how: Any
    ) -> Answer:
        """One `tools/call` of a handshake revision."""
        return await self.message(
            "tools/call", {"name": name, "arguments": arguments or {}}, *fields, **how
        )

    async def stateless(
        self,
        name: str,
        arguments: Any = None,
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str | Sequence[str] | None] | None = None,
        **how: Any,
    ) -> Answer:
        """One `tools/call` of the stateless revision.

        Args:
            more: keys of `params`.
            headers: in place of those that are right; None: left out, several: each.
        """
        params = {"_meta": ENVELOPE, "name": name, "arguments": arguments or {}, **(more or {})}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        right = {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": name}
        fields = [JSON, BOTH]
        for key, value in {**right, **(headers or {})}.items():
            values = [value] if isinstance(value, str) else value or []
            fields += [(key, each) for each in values]
        return await self.send(json.dumps(message).encode(), fields, **how)

    async def initialize(self, **how: Any) -> Answer:
        """Shake hands."""
        params = {
            "protocolVersion": HANDSHAKE,
            "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        }
        return await self.message("initialize", params, **how)

    async def session(self, **how: Any) -> str:
        """A new session's id."""
        return (await self.initialize(**how)).one("mcp-session-id")

    def minted(self, age: float, lineage: str, slug: str = "shop") -> str:
        """A session id signed with the edge's own key, as if minted so many seconds ago."""
        keys = session_keys(self.edge.config.data_dir, os.urandom).keys()
        issued = self.edge.store.clock() - age
        return sign(open_session(slug, lineage, HANDSHAKE, issued, os.urandom), keys)

    def sealed(self, age: float, tool: str, arguments: dict[str, Any]) -> str:
        """A request state sealed with the edge's own key, as if so many seconds ago."""
        keys = sealing_keys(self.edge.config.data_dir, os.urandom).keys()
        then = self.edge.store.clock() - age
        call = Call("shop", self.lineage("default"), tool, digest_of(arguments))
        return seal_state("step 1", call, keys, then, os.urandom)

    def lineage(self, name: str) -> str:
        """The line of a token of `shop`."""
        tokens = self.edge.token_service.list("shop")
        return next(token.lineage for token in tokens if token.name == name)

    def redeploy(
        self,
        more_paths: Mapping[str, Any] | None = None,
        components: Mapping[str, Any] | None = None,
        **config: Any,
    ) -> None:
        """Deploy `shop` anew, with more in its document or other keys of `config`."""
        paths = {**DOCUMENT["paths"], **(more_paths or {})}
        document = {**DOCUMENT, "paths": paths, "components": components or {}}
        self.edge.deploy(self.origin.upstream, document=document, **config)

    async def behave(self, visit: Visit) -> None:
        """What the function does on one connection."""
        while True:
            seen = await visit.request()
            path = seen.target.partition(b"?")[0]
            status, (kind, body) = 200, ("application/json", _echo(seen))
            if path == b"/told":
                status, (kind, body) = self.status, self.said
            if path in (b"/ask", b"/askToo") and not _state_of(seen):
                kind, body = LITERAL, ASKS
            if path == b"/hold":
                await self.let_go.wait()
            head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n"
            await visit.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


ASKS = json.dumps(
    {
        "resultType": "input_required",
        "inputRequests": {
            "sure": {
                "method": "elicitation/create",
                "params": {
                    "message": "Sure?",
                    "requestedSchema": {"type": "object", "properties": {}},
                },
            }
        },
        "requestState": "step 1",
    }
).encode()


def _echo(seen: Seen) -> bytes:
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in seen.headers]
    return json.dumps({"target": seen.target.decode("latin-1"), "fields": fields}).encode()


def _state_of(seen: Seen) -> bool:
    return any(b"requestState" in value for value in seen.values(b"x-jelou-mcp"))


def code(answer: Answer) -> int | None:
    """The JSON-RPC code of an answer; None for a result."""
    told = last(answer)
    return told["error"]["code"] if "error" in told else None


def last(answer: Answer) -> Any:
    """The JSON-RPC message that answers a request, whether in JSON or in events."""
    if answer.one("content-type").startswith("text/event-stream"):
        return events(bytes(answer.body))[-1]
    return json.loads(answer.body)


def events(body: bytes) -> list[Any]:
    """The messages of an event stream, read as browsers do (WHATWG HTML §9.2.6)."""
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    assert text.endswith("\n\n")
    found = []
    for block in text[:-2].split("\n\n"):
        pairs = [line.partition(":") for line in block.split("\n")]
        assert {name for name, _, _ in pairs} <= {"", "event", "data", "id"}, block
        data = [value.removeprefix(" ") for name, _, value in pairs if name == "data"]
        if any(data):
            found.append(json.loads("\n".join(data)))
    return found


@asynccontextmanager
async def attacking(directory: Path, **settings: Any) -> AsyncIterator[Attacker]:
    """An edge with its functions; `settings` are fields of its `Config`."""
    async with running(directory, **settings) as edge, serving(_nothing) as origin:
        edge.deploy(origin.upstream, document=DOCUMENT)
        edge.deploy(origin.upstream, "other", document=DOCUMENT)
        edge.deploy(origin.upstream, "big", document=DOCUMENT, mcp={"search": True})
        tokens = {"all": edge.tokens["shop"], "other": edge.tokens["other"]}
        tokens["second"] = edge.mint("second").secret
        tokens["scoped"] = edge.mint("scoped", scopes=SCOPES).secret
        tokens["big"] = edge.mint("scoped", "big", scopes=SCOPES).secret
        attacker = Attacker(edge, origin, tokens)
        origin.behaviour = attacker.behave
        yield attacker
        attacker.let_go.set()


async def _nothing(_visit: Visit) -> None:
    """Hangs up."""
