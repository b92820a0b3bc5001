"""What a worker answers at `/mcp` with: constructor calls, nothing else."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import anyio.to_thread

from edge.composing.store import Store
from edge.config import Config
from edge.doors.asgi import Pace
from edge.doors.http import WorkerState
from edge.doors.mcp import McpDoor, McpLimits
from edge.doors.mcp_edge_wide import EdgeWideMcp
from edge.doors.mcp_eras import McpEras
from edge.doors.mcp_streams import Streams
from edge.doors.mcp_upstream import McpUpstreamDoor
from edge.forwarding.forwarder import Forwarder
from edge.observe.log import log_error
from edge.state.catalogs import Catalogs
from edge.state.mcp_calls import McpCalls
from edge.state.merged_catalogs import MergedCatalogs
from edge.state.peers import Peers
from edge.state.session_streams import SessionStreams
from edge.state.shares import Share
from edge.state.streams import OpenStreams
from edge.state.upstream_sessions import UpstreamSessions
from edge.state.view import WorkerView
from mcp_bridge.judging import Bounds, Judge
from mcp_bridge.pages import Pages
from mcp_bridge.rounds import Rounds
from mcp_bridge.server import SdkServer
from mcp_bridge.serving import Bridge
from mcp_bridge.targets import Targets
from mcp_bridge.upstream import UpstreamBridge


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the MCP endpoint stands in.

    Attributes:
        forgets: what is told of every function that has changed; the endpoint adds its own.
        of_sessions: the one GET stream of each session.
    """

    store: Store
    view: WorkerView
    catalogs: Catalogs
    forwarder: Forwarder
    streams: OpenStreams
    of_sessions: SessionStreams
    state: WorkerState
    peers: Peers
    forgets: list[Callable[[str], None]]


def composed_mcp(config: Config, around: Surroundings) -> McpDoor:
    """The door for `/mcp`, of functions and of the edge itself."""
    state = around.state
    return McpDoor(
        bridge=_bridge(config, around),
        catalogs=around.catalogs,
        forwarder=around.forwarder,
        streams=Streams(around.streams, around.of_sessions),
        upstream=_mcp_upstream(config, around),
        edge_wide=_edge_wide(config, around),
        pace=pace(config),
        limits=McpLimits(config.mcp_body, config.json_depth, config.max_timeout),
        draining=lambda: state.draining,
        log=log_error,
    )


def pace(config: Config) -> Pace:
    """How fast a request's body must come."""
    return Pace(config.body_idle, config.body_rate)


def _bridge(config: Config, around: Surroundings) -> Bridge:
    store = around.store
    pages, targets, clock = Pages(), Targets(), store.database.clock
    rounds = Rounds(store.sealing.keys, clock, os.urandom)
    bounds = Bounds(config.mcp_body, config.tool_result)
    return Bridge(
        judge=Judge(store.keys.keys, store.ended, clock, pages, targets, rounds, bounds),
        sdk=SdkServer(pages, targets, bounds.body, bounds.result),
        calls=McpCalls(around.peers, os.urandom),
        ended=store.ended,
        keys=store.keys.keys,
        clock=clock,
        random=os.urandom,
        may_mint=Share(config.mcp_sessions, config.workers).allow,
    )


def _mcp_upstream(config: Config, around: Surroundings) -> McpUpstreamDoor:
    store, forwarder, state = around.store, around.forwarder, around.state
    run_sync, clock = anyio.to_thread.run_sync, store.database.clock
    bridge = UpstreamBridge(config.mcp_body)
    return McpUpstreamDoor(
        forwarder=forwarder,
        streams=around.streams,
        sessions=UpstreamSessions(
            store.sealing.keys, store.ended, clock, os.urandom, run_sync, around.peers
        ),
        eras=McpEras(bridge, forwarder, config.tool_result, time.monotonic),
        pace=pace(config),
        log=log_error,
        draining=lambda: state.draining,
        max_body=config.mcp_body,
        max_answer=config.tool_result,
        max_depth=config.json_depth,
        max_timeout=config.max_timeout,
    )


def _edge_wide(config: Config, around: Surroundings) -> EdgeWideMcp:
    merged = MergedCatalogs(around.view, around.catalogs, time.monotonic, log_error)
    around.forgets.append(merged.forget)  # it is told of changes by the view that it reads
    return EdgeWideMcp(merged, around.forwarder, config.max_timeout, around.store.rates.take)
