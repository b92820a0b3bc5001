"""Puts one worker's edge together from its configuration: plain constructor calls, nothing else.

`build` opens the store; `Edge.running` runs the housekeeping and closes everything at its end.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from edge.admin.api import AdminApi
from edge.admin.deploying import Place
from edge.admin.local import LocalOperations
from edge.admin.local_status import Looks
from edge.admin.opening import assembled
from edge.app import Door, Throttles
from edge.composing.audit import ComposedAudit, composed_audit
from edge.composing.console import ComposedConsole, composed_console
from edge.composing.cron import ComposedCron, Live, composed_cron
from edge.composing.mcp import Surroundings, composed_mcp, pace
from edge.composing.observing import ComposedObserving, Watched, composed_observing
from edge.composing.status import workers_look
from edge.composing.store import Store, open_store
from edge.config import Config, function_url
from edge.cron.firing import Firing
from edge.doors.http import HttpDoor, WorkerState
from edge.doors.open_documents import OpenDocuments
from edge.doors.websocket import WebSocketDoor
from edge.events import Observe
from edge.fast.connection import FastConnection
from edge.fast.lane import Counts, Entropy, Lane
from edge.forwarding.forwarder import Forwarder
from edge.forwarding.limit import InFlight, share
from edge.forwarding.pool import Pool, PoolLimits
from edge.gate.decisions import GateSettings
from edge.headers import Networks
from edge.housekeeping import Housekeeping, LastUse
from edge.observe.log import log_error
from edge.running.protocol import SOCKETS
from edge.server.acceptor import FastLane
from edge.server.hypercorn_connection import App
from edge.state.catalogs import Catalogs
from edge.state.ended_sessions import KIND, StoredEndedSessions
from edge.state.health import Health, Probe
from edge.state.instances import Instances
from edge.state.peers import Peers
from edge.state.session_streams import SessionStreams
from edge.state.shares import Share
from edge.state.source import readable
from edge.state.streams import OpenStreams
from edge.state.view import Keys, WorkerView
from edge.version import VERSION

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
        remote_admin: the management API for the admin address, behind access tokens, and the
            console.
        state: what the server tells the app; `draining` is set when a shutdown begins.
        observe: told of what happens on public connections.
        end_streams: ends every open stream, and from then on gives runs of schedules their time;
            called when a shutdown begins.
        running: what has to run while the apps are served.
    """

    app: Door
    fast: Counts | None
    fast_lane: FastLane | None
    local_admin: AdminApi
    remote_admin: App
    state: WorkerState
    observe: Observe
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
    store = open_store(config)
    beyond = _beyond(config, store.name)
    forwarder, networks, slot = beyond.forwarder, _networks(config), peers.slot
    read, streams, state = store.source.document, OpenStreams(), WorkerState()
    catalogs, url_of = Catalogs(read), partial(function_url, config, bound)
    documents = OpenDocuments(read, catalogs, beyond.health, url_of)
    sessions = SessionStreams(peers, time.monotonic_ns)
    forgets: list[Callable[[str], None]] = [catalogs.forget, documents.forget]
    last_use = LastUse(store.tokens)
    audit = composed_audit(config, store.database, slot)
    view = _view(store, streams, sessions, forgets)
    watched = Watched(view, streams, beyond.in_flight, beyond.pool, networks, store.tokens)
    observing = composed_observing(config, watched, slot)
    world = Surroundings(store, view, catalogs, forwarder, streams, sessions, state, peers, forgets)
    door = Door(
        view=view,
        settings=_gate_settings(config, store.name),
        networks=networks,
        http=HttpDoor(forwarder, documents, streams, state, log_error, pace(config)),
        mcp=composed_mcp(config, world),
        websockets=WebSocketDoor(forwarder, streams, os.urandom, lambda: state.draining),
        clock=store.database.clock,
        random=os.urandom,
        used=last_use.note,
        refused=audit.refused,
        throttles=Throttles(store.rates.take, _may_fail(config)),
        observe=observing.observe,
        sample=None if config.traces is None else config.traces_sample,
    )
    place, live = Place(config, tuple(bound), running=True), Live(view, door.refresh, state)
    cron = composed_cron(config, store.database, live, forwarder, url_of, observing.observe, slot)
    looks = Looks(workers_look(view, peers), observing.observed)
    operations = assembled(store.database, place, VERSION, cron.fire_now, looks)
    worked = _housekeeping(store, beyond, door, last_use, operations, audit, observing, slot)
    lane = _lane(config, store.name, door, beyond)
    console = composed_console(config, store, operations, audit.failed, bound, observing, slot)
    return Edge(
        app=door,
        fast=lane.counts if config.fast_lane else None,
        fast_lane=partial(FastConnection, lane) if config.fast_lane else None,
        local_admin=AdminApi(operations, metrics=observing.text),
        remote_admin=console.app,
        state=state,
        observe=observing.observe,
        end_streams=partial(_begin_drain, streams, cron.firing),
        running=partial(
            _running, store, beyond, door, worked, last_use, audit, observing, cron, console
        ),
    )


@dataclass(frozen=True, slots=True)
class _Beyond:
    """The side of the functions.

    Attributes:
        instances: what is known of the processes of those that the edge runs.
    """

    pool: Pool
    in_flight: InFlight
    forwarder: Forwarder
    instances: Instances
    health: Health


def _beyond(config: Config, name: str) -> _Beyond:
    pool, in_flight = Pool(PoolLimits(start=config.start_timeout)), _in_flight(config)
    socket = config.data_dir / SOCKETS[config.turn]
    instances = Instances(socket, pool.fleets, config.workers)
    probe = Probe(pool, instances, config.connect_timeout)
    return _Beyond(
        pool=pool,
        in_flight=in_flight,
        forwarder=Forwarder(pool, in_flight, name, config.connect_timeout, config.answer_idle),
        instances=instances,
        health=Health(probe, time.monotonic),
    )


def _begin_drain(streams: OpenStreams, firing: Firing) -> None:
    streams.end_all()
    firing.begin_drain()


def _lane(config: Config, name: str, door: Door, beyond: _Beyond) -> Lane:
    return Lane(
        door=door,
        pool=beyond.pool,
        in_flight=beyond.in_flight,
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
        observe=door.observe,
    )


def _housekeeping(
    store: Store,
    beyond: _Beyond,
    door: Door,
    last_use: LastUse,
    operations: LocalOperations,
    audit: ComposedAudit,
    observing: ComposedObserving,
    slot: int,
) -> Housekeeping:
    forget = (beyond.health.forget, store.ended.forget_old)
    refresh = partial(operations.refresh_documents, time.monotonic) if slot == 0 else None
    streams = door.http.streams
    return Housekeeping(
        store.database,
        door,
        streams,
        forget,
        last_use,
        refresh,
        audit.watch,
        observing.publish,
        log_error,
    )


def _view(
    store: Store,
    streams: OpenStreams,
    of_sessions: SessionStreams,
    forgets: Sequence[Callable[[str], None]],
) -> WorkerView:
    changed = _on_change(streams, of_sessions, store.ended, forgets)
    return WorkerView(store.source, time.monotonic, anyio.to_thread.run_sync, changed)


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
    store: Store,
    beyond: _Beyond,
    door: Door,
    housekeeping: Housekeeping,
    last_use: LastUse,
    audit: ComposedAudit,
    observing: ComposedObserving,
    cron: ComposedCron,
    console: ComposedConsole,
) -> AsyncIterator[None]:
    """Everything that has to run; at the end last use is written down and all is closed."""
    async with AsyncExitStack() as stack:
        stack.callback(store.database.close)
        stack.callback(store.rates.close)
        stack.enter_context(cron.presence.held())
        stack.push_async_callback(beyond.pool.aclose)
        await stack.enter_async_context(door.mcp.bridge.run())
        await stack.enter_async_context(door.mcp.upstream.eras.run())
        await door.refresh()  # the first requests do not wait for thousands of functions
        async with cron.firing.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(housekeeping.run)
            tasks.start_soon(beyond.instances.run)
            if cron.loop is not None:
                tasks.start_soon(cron.loop.run)
            if console.run is not None:
                tasks.start_soon(console.run)
            yield
            await cron.firing.drained()
            tasks.cancel_scope.cancel()
        await last_use.flush()
        await observing.publish()
        await anyio.to_thread.run_sync(observing.close)
        await anyio.to_thread.run_sync(audit.watch.finish)


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
    requests, waiting = share(config.in_flight, workers), share(config.queue, workers)
    return InFlight(requests, waiting, config.queue_timeout, workers)


def _may_fail(config: Config) -> Callable[[str, float], float | None] | None:
    """A worker's share of the token checks that may fail, or None if any number may."""
    if config.auth_failures is None:
        return None
    return Share(config.auth_failures, config.workers, MOST_SOURCES).allow


def _networks(config: Config) -> Networks:
    return tuple(ip_network(text, strict=False) for text in config.trusted_proxies)
