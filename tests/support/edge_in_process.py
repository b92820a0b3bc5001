"""A whole edge in the test's own event loop: its store, its worker, its sockets on free ports.

Functions and tokens are written through a second handle on the same store, as another process
would; what a test sees of the edge, it sees over a socket.
"""

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import orjson

from edge import compose
from edge.config import ADMIN_SOCKET, Config
from edge.functions import Deployment, Upstream
from edge.project_file import catalogs
from edge.project_file.parse import parse_project
from edge.registry.sqlite import SqliteRegistry
from edge.server.worker import Listeners, Server
from edge.state.peers import Peers
from tests.support.doors import Doors
from tests.support.operations import prepare
from tokens.database import Database
from tokens.model import Token
from tokens.service import Minted, TokenService
from tokens.sqlite import SqliteTokens

SLUG = "shop"


@dataclass
class EdgeInProcess(Doors):
    """A running edge.

    Attributes:
        admin_port: of the admin address, where `admin` is among the settings; else 0.
        store: a handle of its own on the edge's store.
        tokens: the last token minted for each function, in plain text.
    """

    config: Config
    edge: compose.Edge
    server: Server
    port: int
    store: Database
    tokens: dict[str, str] = field(default_factory=dict)
    admin_port: int = 0

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        """The token of the function that tests deploy unless they say otherwise."""
        return self.tokens[SLUG]

    @cached_property
    def registry(self) -> SqliteRegistry:
        """Functions, by the second handle."""
        return SqliteRegistry(self.store, os.urandom)

    @cached_property
    def token_service(self) -> TokenService:
        """Tokens, by the second handle."""
        return TokenService(SqliteTokens(self.store), self.store.clock, os.urandom)

    def deploy(
        self,
        upstream: Upstream | Sequence[Upstream],
        slug: str = SLUG,
        *,
        document: dict[str, Any] | None = None,
        keys: dict[str, Any] | None = None,
        how: dict[str, Any] | None = None,
        **config: Any,
    ) -> Deployment:
        """Make a function live; mint its first token if it has none.

        Args:
            keys: top-level keys of the project file; `how` are keys of `upstream`.
            config: keys of `config`.
        """
        upstreams = [upstream] if isinstance(upstream, Upstream) else list(upstream)
        url: Any = [each.url for each in upstreams] if len(upstreams) > 1 else upstreams[0].url
        where = {"url": url, **how} if how else url
        written = {"function": slug, "upstream": where, "config": config, **(keys or {})}
        parsed = parse_project(orjson.dumps(written).decode())
        assert parsed.project is not None, parsed.problems
        raw = None if document is None else orjson.dumps(document)
        routes = catalogs.routes(parsed.project, catalogs.catalog(parsed.project, raw))
        deployed = self.registry.deploy(parsed.project, raw, routes, "deploy", self.store.clock())
        if slug not in self.tokens:
            self.mint(slug=slug)
        return deployed.deployment

    def mint(self, name: str = "default", slug: str = SLUG, **more: Any) -> Minted:
        """Make a token; `more` as for `TokenService.create`."""
        minted = self.token_service.create(slug, name, **more)
        self.tokens[slug] = minted.secret
        return minted

    def revoke(self, name: str = "default", slug: str = SLUG) -> Token:
        """End a token."""
        return self.token_service.revoke(slug, name)

    def delete(self, slug: str = SLUG) -> None:
        """Delete a function and end its tokens, as the command does."""
        with self.store.write():
            self.registry.delete(slug)
            self.token_service.revoke_all(slug)


@asynccontextmanager
async def running(directory: Path, **settings: Any) -> AsyncIterator[EdgeInProcess]:
    """An edge on a free port of 127.0.0.1; `settings` are fields of `Config`."""
    quiet = {"data_dir": directory / "data", "drain_timeout": 1.0, "access_log": "off"}
    config = Config(**{**quiet, **settings})
    prepare(config.data_dir)
    # The protocol is named, or asyncio would not turn Nagle's algorithm off.
    with (
        socket.socket(proto=socket.IPPROTO_TCP) as listening,
        socket.socket(proto=socket.IPPROTO_TCP) as managing,
        socket.socket(socket.AF_UNIX) as local,
    ):
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listeners = Listeners(public=[listening.dup()])
        if config.admin is not None:
            managing.bind(("127.0.0.1", 0))
            local.bind(str(config.data_dir / ADMIN_SOCKET))
            listeners = replace(listeners, remote_admin=[managing.dup()], local_admin=[local.dup()])
        edge = compose.build(config, [f"127.0.0.1:{port}"], Peers(1))
        async with edge.running():
            server = Server(config, edge)
            await server.start(listeners)
            store = Database.open(config.data_dir)
            try:
                served = EdgeInProcess(config, edge, server, port, store)
                served.admin_port = managing.getsockname()[1] if listeners.remote_admin else 0
                yield served
            finally:
                store.close()
                with anyio.CancelScope(shield=True):
                    await server.drain()
