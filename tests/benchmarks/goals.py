"""Where the edge should land: each goal a bound on one quotient, told from the results alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks import figures
from tests.benchmarks.opponents.ours import ASYNCIO, UVLOOP
from tests.benchmarks.results import Results
from tests.benchmarks.scenarios import (
    FORWARD,
    MCP_CALL,
    MCP_CALL_ALONE,
    MCP_SESSION_CALL,
    MCP_SESSION_CALL_ALONE,
    REFUSED,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """At most so many times what another contender, or the same in another scenario, has.

    Attributes:
        other: the contender to compare with; empty for none: `limit` is absolute then.
        base: the scenario to compare with, if it is another.
        figure: the one that is compared.
    """

    title: str
    scenario: str
    limit: float
    other: str = ""
    who: str = UVLOOP
    base: str = ""
    figure: str = "cpu"
    unit: str = "×"


NGINX = "nginx, map"

GOALS = (
    Goal("CPU of nginx with `map`, on uvloop", FORWARD, 2.2, NGINX),
    Goal("CPU of nginx with `map`, on asyncio", FORWARD, 2.6, NGINX, ASYNCIO),
    Goal("CPU of Envoy", FORWARD, 1, "Envoy"),
    Goal("CPU of Caddy", FORWARD, 1, "Caddy"),
    Goal("CPU of Traefik", FORWARD, 1, "Traefik"),
    Goal("CPU of the aiohttp proxy", FORWARD, 1 / 6, "aiohttp proxy"),
    Goal(
        "CPU of stock Hypercorn with our pool", FORWARD, 1 / 8, "stock Hypercorn, our app and pool"
    ),
    Goal("CPU of Starlette + httpx2", FORWARD, 1 / 45, "uvicorn + Starlette + httpx2"),
    Goal("CPU of Starlette + httpx", FORWARD, 1 / 150, "uvicorn + Starlette + httpx"),
    Goal("p99 of nginx", FORWARD, 2, NGINX, figure="p99"),
    Goal("a 401: CPU of a forward", REFUSED, 0.5, UVLOOP, base=FORWARD),
    Goal("100 MB down: CPU of nginx", "down-100", 1.2, NGINX),
    Goal("100 MB up: CPU of nginx", "up-100", 1.2, NGINX),
    Goal("memory of all processes with 100 MB down", "down-100", 64, figure="peak", unit=" MB"),
    Goal("memory of all processes with 100 MB up", "up-100", 64, figure="peak", unit=" MB"),
    Goal("of that for 100 MB down", "down-100", 64, figure="grown", unit=" MB"),
    Goal("of that for 100 MB up", "up-100", 64, figure="grown", unit=" MB"),
    Goal("two workers: CPU of one", "workers-2", 1.15, UVLOOP, base=FORWARD),
    Goal("an idle connection", "idle", 8, figure="memory", unit=" KiB"),
)

BRIDGE = "Envoy, mcp_json_rest_bridge"
FASTMCP = "FastMCP from OpenAPI"

_SESSION = "a session's call: CPU of Envoy's bridge, stateless"

MCP_GOALS = (
    Goal("a stateless call: CPU of Envoy's bridge, c=1", MCP_CALL_ALONE, 1, BRIDGE),
    Goal("a stateless call: CPU of Envoy's bridge, c=64", MCP_CALL, 1, BRIDGE),
    Goal("a stateless call: CPU of FastMCP, c=64", MCP_CALL, 1 / 20, FASTMCP),
    Goal(f"{_SESSION}, c=1", MCP_SESSION_CALL_ALONE, 2, BRIDGE, base=MCP_CALL_ALONE),
    Goal(f"{_SESSION}, c=64", MCP_SESSION_CALL, 2, BRIDGE, base=MCP_CALL),
)


def landed(results: Results, goals: Sequence[Goal]) -> Iterator[tuple[Goal, float]]:
    """Each goal of which both sides were measured, and what came out."""
    for goal in goals:
        measured = results.scenarios.get(goal.scenario)
        base = results.scenarios.get(goal.base or goal.scenario)
        ours = measured.figure(goal.who, goal.figure) if measured else {}
        theirs = base.figure(goal.other, goal.figure) if base and goal.other else {}
        if ours and not goal.other:
            yield goal, figures.spread(list(ours.values())).median
        elif ours and theirs:
            yield goal, figures.ratio(ours, theirs).per_round
