"""Puts one worker's edge together from its configuration: plain constructor calls, nothing else.

`build` opens the store; `Edge.running` runs the housekeeping and closes everything at its end.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from edge.admin.api import AdminApi
from edge.admin.deploying import Place
from edge.admin.opening import assembled
from edge.app import Door, Throttles
from edge.config import Config, function_url
from edge.doors.asgi import Pace
from edge.doors.http import HttpDoor, WorkerState
from edge.doors.mcp import McpDoor, McpLimits
from edge.doors.mcp_edge_wide import EdgeWideMcp
from edge.doors.mcp_eras import McpEras
from edge.doors.mcp_streams import Streams
from edge.doors.mcp_upstream import McpUpstreamDoor
from edge.doors.open_documents import OpenDocuments
from edge.doors.websocket import WebSocketDoor
from edge.fast.connection import FastConnection
from edge.fast.lane import Counts, Entropy, Lane
from edge.forwarding.forwarder import Forwarder
from edge.forwarding.limit import InFlight
from edge.forwarding.pool import Pool
from edge.forwarding.wire import UpstreamFailure
from edge.functions import Upstream
from edge.gate.decisions import GateSettings
from edge.headers import Networks
from edge.housekeeping import Housekeeping, LastUse
from edge.observe.log import log_error
from edge.registry.sqlite import SqliteRegistry
from edge.server.acceptor import FastLane
from edge.state.catalogs import Catalogs
from edge.state.ended_sessions import KIND, StoredEndedSessions
from edge.state.health import Health
from edge.state.kept import edge_id, sealing_keys, session_keys
from edge.state.keys import KeyFile
from edge.state.mcp_calls import McpCalls
from edge.state.merged_catalogs import MergedCatalogs
from edge.state.peers import Peers
from edge.state.rate_table import FILE as RATES
from edge.state.rate_table import RateTable
from edge.state.rates import Rates
from edge.state.session_streams import SessionStreams
from edge.state.shares import Share
from edge.state.source import StoreSource, readable
from edge.state.streams import OpenStreams
from edge.state.upstream_sessions import UpstreamSessions
from edge.state.view import Keys, WorkerView
from edge.version import VERSION
from mcp_bridge.judging import Bounds, Judge
from mcp_bridge.pages import Pages
from mcp_bridge.rounds import Rounds
from mcp_bridge.server import SdkServer
from mcp_bridge.serving import Bridge
from mcp_bridge.targets import Targets
from mcp_bridge.upstream import UpstreamBridge
from tokens.database import Database
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

MOST_SOURCES = 100_000
"""Addresses whose failed token checks a worker remembers, the latest ones."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One worker's edge.

    Attributes:
        app: the public ASGI application.
        fast: what the fast lane has done, or None without it.
        fast_lane: what public connections begin on, or None.
        local_admin: the management API for the data directory's socket.
        remote_admin: the management API for the admin address, behind access tokens.
        state: what the server tells the app; `draining` is set when a shutdown begins.
        end_streams: ends every open stream; called when a shutdown begins.
        running: what has to run while the apps are served.
    """

    app: Door
    fast: Counts | None
    fast_lane: FastLane | None
    local_admin: AdminApi
    remote_admin: AdminApi
    state: WorkerState
    end_streams: Callable[[], None]
    running: Callable[[], AbstractAsyncContextManager[None]]


def build(config: Config, bound: Sequence[str], peers: Peers) -> Edge:
    """Put a worker's edge together.

    Args:
        bound: the addresses as they are bound, ports included.
        peers: the other workers; the one in slot 0 also looks after OpenAPI documents.

    Raises:
        StoreError: the data directory's store cannot be used; the text says what to do.
    """
    store = _open_store(config)
    operations = assembled(store.database, Place(config, tuple(bound), running=True), VERSION)
    pool, in_flight = Pool(), _in_flight(config)
    forwarder = Forwarder(pool, in_flight, store.name, config.connect_timeout, config.answer_idle)
    read, streams, state = store.source.document, OpenStreams(), WorkerState()
    catalogs, url_of = Catalogs(read), partial(function_url, config, bound)
    health = Health(_probe(pool, config.connect_timeout), time.monotonic)
    documents = OpenDocuments(read, catalogs, health, url_of)
    of_sessions = SessionStreams(peers, time.monotonic_ns)
    forgets: list[Callable[[str], None]] = [catalogs.forget, documents.forget]
    bridge, last_use = _bridge(config, store, peers), LastUse(store.tokens)
    view, pace = _view(store, streams, of_sessions, forgets), _pace(config)
    mcp = McpDoor(
        bridge=bridge,
        catalogs=catalogs,
        forwarder=forwarder,
        streams=Streams(streams, of_sessions),
        upstream=_mcp_upstream(config, store, forwarder, streams, state, peers),
        edge_wide=_edge_wide(config, view, catalogs, forgets, forwarder, store.rates),
        pace=pace,
        limits=McpLimits(config.mcp_body, config.json_depth, config.max_timeout),
        draining=lambda: state.draining,
        log=log_error,
    )
    door = Door(
        view=view,
        settings=_gate_settings(config, store.name),
        networks=_networks(config),
        http=HttpDoor(forwarder, documents, streams, state, log_error, pace),
        mcp=mcp,
        websockets=WebSocketDoor(forwarder, streams, os.urandom, lambda: state.draining),
        clock=store.database.clock,
        random=os.urandom,
        used=last_use.note,
        throttles=Throttles(store.rates.take, _may_fail(config)),
    )
    refresh = partial(operations.refresh_documents, time.monotonic) if peers.slot == 0 else None
    forget = (health.forget, store.ended.forget_old)
    housekeeping = Housekeeping(store.database, door, streams, forget, last_use, refresh, log_error)
    lane = _lane(config, store.name, door, pool, in_flight)
    return Edge(
        app=door,
        fast=lane.counts if config.fast_lane else None,
        fast_lane=partial(FastConnection, lane) if config.fast_lane else None,
        local_admin=AdminApi(operations),
        remote_admin=AdminApi(operations, operations.authenticate),
        state=state,
        end_streams=streams.end_all,
        running=partial(_running, store, pool, bridge, door, housekeeping, last_use),
    )


def _lane(config: Config, name: str, door: Door, pool: Pool, in_flight: InFlight) -> Lane:
    return Lane(
        door=door,
        pool=pool,
        in_flight=in_flight,
        documents=door.http.documents,
        streams=door.http.streams,
        pace=door.http.pace,
        edge_id=name,
        connect=config.connect_timeout,
        idle=config.answer_idle,
        head=config.head_timeout,
        keep_alive=config.keep_alive,
        random=Entropy(os.urandom),
        log=log_error,
    )


@dataclass(frozen=True, slots=True)
class _Store:
    """What the data directory holds, opened.

    Attributes:
        name: the edge's id in `Via`.
    """

    database: Database
    source: StoreSource
    tokens: TokenService
    ended: StoredEndedSessions
    keys: KeyFile
    sealing: KeyFile
    rates: Rates
    name: str


def _open_store(config: Config) -> _Store:
    database = Database.open(config.data_dir, create=True)
    tokens = SqliteTokens(database)
    registry = SqliteRegistry(database, os.urandom)
    return _Store(
        database=database,
        source=StoreSource(database, registry, tokens),
        tokens=TokenService(tokens, database.clock, os.urandom),
        ended=StoredEndedSessions(database, database.clock),
        keys=session_keys(config.data_dir, os.urandom),
        sealing=sealing_keys(config.data_dir, os.urandom),
        rates=Rates(RateTable(config.data_dir / RATES), time.monotonic_ns),
        name=edge_id(config.data_dir, os.urandom),
    )


def _bridge(config: Config, store: _Store, peers: Peers) -> Bridge:
    pages, targets, clock = Pages(), Targets(), store.database.clock
    rounds = Rounds(store.sealing.keys, clock, os.urandom)
    bounds = Bounds(config.mcp_body, config.tool_result)
    return Bridge(
        judge=Judge(store.keys.keys, store.ended, clock, pages, targets, rounds, bounds),
        sdk=SdkServer(pages, targets, bounds.body, bounds.result),
        calls=McpCalls(peers, os.urandom),
        ended=store.ended,
        keys=store.keys.keys,
        clock=clock,
        random=os.urandom,
        may_mint=Share(config.mcp_sessions, config.workers).allow,
    )


def _mcp_upstream(
    config: Config,
    store: _Store,
    forwarder: Forwarder,
    streams: OpenStreams,
    state: WorkerState,
    peers: Peers,
) -> McpUpstreamDoor:
    run_sync, clock = anyio.to_thread.run_sync, store.database.clock
    bridge = UpstreamBridge(config.mcp_body)
    return McpUpstreamDoor(
        forwarder=forwarder,
        streams=streams,
        sessions=UpstreamSessions(
            store.sealing.keys, store.ended, clock, os.urandom, run_sync, peers
        ),
        eras=McpEras(bridge, forwarder, config.tool_result, time.monotonic),
        pace=_pace(config),
        log=log_error,
        draining=lambda: state.draining,
        max_body=config.mcp_body,
        max_answer=config.tool_result,
        max_depth=config.json_depth,
        max_timeout=config.max_timeout,
    )


def _pace(config: Config) -> Pace:
    return Pace(config.body_idle, config.body_rate)


def _view(
    store: _Store,
    streams: OpenStreams,
    of_sessions: SessionStreams,
    forgets: Sequence[Callable[[str], None]],
) -> WorkerView:
    changed = _on_change(streams, of_sessions, store.ended, forgets)
    return WorkerView(store.source, time.monotonic, anyio.to_thread.run_sync, changed)


def _edge_wide(
    config: Config,
    view: WorkerView,
    catalogs: Catalogs,
    forgets: list[Callable[[str], None]],
    forwarder: Forwarder,
    rates: Rates,
) -> EdgeWideMcp:
    merged = MergedCatalogs(view, catalogs, time.monotonic, log_error)
    forgets.append(merged.forget)  # it is told of changes by the view that it reads
    return EdgeWideMcp(merged, forwarder, config.max_timeout, rates.take)


def _on_change(
    streams: OpenStreams,
    of_sessions: SessionStreams,
    ended: StoredEndedSessions,
    forget: Sequence[Callable[[str], None]],
) -> Callable[[Keys], None]:
    """What follows when the view has applied changed keys (None: everything)."""

    def changed(keys: Keys) -> None:
        streams.world_changed(keys)
        if keys is None:
            with readable():
                ended.reload()
        for kind, key in keys or ():
            if kind == KIND:
                with readable():
                    ended.heard(key)
                of_sessions.close(key)
            elif kind == "function":
                for forget_function in forget:
                    forget_function(key)

    return changed


@asynccontextmanager
async def _running(
    store: _Store,
    pool: Pool,
    bridge: Bridge,
    door: Door,
    housekeeping: Housekeeping,
    last_use: LastUse,
) -> AsyncIterator[None]:
    """Everything that has to run; at the end last use is written down and all is closed."""
    async with AsyncExitStack() as stack:
        stack.callback(store.database.close)
        stack.callback(store.rates.close)
        stack.push_async_callback(pool.aclose)
        await stack.enter_async_context(bridge.run())
        await stack.enter_async_context(door.mcp.upstream.eras.run())
        await door.refresh()  # the first requests do not wait for thousands of functions
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(housekeeping.run)
            yield
            tasks.cancel_scope.cancel()
        await last_use.flush()


def _gate_settings(config: Config, name: str) -> GateSettings:
    return GateSettings(
        domain=config.domain,
        public_host=urlsplit(config.public_url or "").hostname or "",
        path_addressing=config.path_addressing,
        accept_tokens_in=config.accept_tokens_in,
        edge_id=name,
        max_timeout=config.max_timeout,
        request_line=config.request_line,
        header_block=config.header_block,
        header_fields=config.header_fields,
    )


def _in_flight(config: Config) -> InFlight:
    """A worker's share of what all of them may have in flight: an equal one, rounded up."""
    workers = config.workers
    requests, waiting = -(-config.in_flight // workers), -(-config.queue // workers)
    return InFlight(requests, waiting, config.queue_timeout)


def _may_fail(config: Config) -> Callable[[str, float], float | None] | None:
    """A worker's share of the token checks that may fail, or None if any number may."""
    if config.auth_failures is None:
        return None
    return Share(config.auth_failures, config.workers, MOST_SOURCES).allow


def _networks(config: Config) -> Networks:
    return tuple(ip_network(text, strict=False) for text in config.trusted_proxies)


def _probe(pool: Pool, timeout: float) -> Callable[[Upstream], Awaitable[bool]]:
    async def connects(upstream: Upstream) -> bool:
        try:
            pool.release(await pool.connect(upstream, timeout), None)
        except UpstreamFailure:
            return False
        return True

    return connects
