"""What is measured: one row per scenario, and the figures that each kind of scenario yields."""

from dataclasses import dataclass, field
from typing import Literal

from tests.benchmarks.calls import Exchange
from tests.benchmarks.opponents.model import Need
from tests.benchmarks.traffic import Shape

Kind = Literal["load", "h2", "bulk", "events", "idle", "mcp"]

HUNDRED_MB = 100 * 10**6


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity; of all of them less is better, but for those per second."""

    key: str
    title: str
    digits: int = 0


FIGURES: dict[Kind, tuple[Figure, ...]] = {
    "load": (
        Figure("cpu", "CPU µs/request", 1),
        Figure("rate", "requests/s"),
        Figure("p50", "p50 ms", 2),
        Figure("p99", "p99 ms", 2),
    ),
    "bulk": (
        Figure("cpu", "CPU ms/100 MB", 1),
        Figure("rate", "MB/s"),
        Figure("peak", "peak memory MB", 1),
        Figure("grown", "of that for the bodies", 1),
    ),
    "events": (
        Figure("first", "first event, µs more than direct"),
        Figure("delay", "later events, µs more than direct"),
    ),
    "idle": (Figure("memory", "KiB/connection", 1),),
}
FIGURES["h2"] = FIGURES["mcp"] = FIGURES["load"]
"""By kind; the first of each is the one that contenders are compared by."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to measure.

    Attributes:
        key: its name in the file of results.
        connections: kept open at once.
        refused: whether the token is a bad one, and every answer has to be 401.
        size: bytes of each big transfer.
        up: whether it is sent, not fetched.
        need: what a contender has to be capable of.
        workers: of each contender.
        quick: whether `make bench` measures it too.
        exchange: what is asked for in MCP, if it is not plain HTTP.
    """

    key: str
    title: str
    kind: Kind = "load"
    shape: Shape = field(default_factory=Shape)
    connections: int = 64
    refused: bool = False
    size: int = 0
    up: bool = False
    need: Need | None = None
    workers: int = 1
    quick: bool = False
    exchange: Exchange | None = None

    @property
    def tls(self) -> bool:
        """Whether the contenders speak TLS."""
        return self.need in ("tls", "h2")

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What it yields."""
        return FIGURES[self.kind]

    @property
    def small(self) -> bool:
        """Whether the function has nothing to give but the small answer."""
        return self.kind in ("load", "h2", "mcp")

    @property
    def footing(self) -> tuple[bool, int, bool, int]:
        """Scenarios of one footing are measured on one start of the contenders."""
        return self.tls, self.workers, self.small, self.exchange.tools if self.exchange else 0

    @property
    def fresh(self) -> bool:
        """Whether every round needs contenders that have just started."""
        return self.kind == "idle"


FORWARD = "forward-64"
REFUSED = "refused-64"

MCP_CALL = "mcp-call-64"
MCP_CALL_ALONE = "mcp-call-1"
MCP_SESSION_CALL = "mcp-session-call-64"
MCP_SESSION_CALL_ALONE = "mcp-session-call-1"


def _mcp(key: str, title: str, connections: int, exchange: Exchange) -> Scenario:
    quick = key == MCP_CALL
    return Scenario(key, title, "mcp", connections=connections, quick=quick, exchange=exchange)


def _calls(connections: int) -> tuple[Scenario, Scenario]:
    """A call of the stateless revision, and one in a session."""
    c, session = connections, Exchange("session")
    return (
        _mcp(f"mcp-call-{c}", f"`tools/call`, stateless, c={c}", c, Exchange()),
        _mcp(f"mcp-session-call-{c}", f"`tools/call` in a session, c={c}", c, session),
    )


def _list(tools: int) -> Scenario:
    title = f"`tools/list` of {tools} tools, stateless, c=16"
    return _mcp(f"mcp-list-{tools}", title, 16, Exchange(method="tools/list", tools=tools))


_CALLS = [_calls(connections) for connections in (64, 16, 1)]

SCENARIOS = (
    Scenario(FORWARD, "POST of 200 bytes, c=64", quick=True),
    Scenario(
        "mixed-64",
        "The same from many callers on each connection",
        shape=Shape(mixed=True),
        quick=True,
    ),
    Scenario(REFUSED, "A bad token: 401, c=64", refused=True, quick=True),
    Scenario("forward-1", "POST of 200 bytes, c=1", connections=1),
    Scenario("forward-16", "POST of 200 bytes, c=16", connections=16),
    Scenario("forward-256", "POST of 200 bytes, c=256", connections=256),
    Scenario(
        "new-connection",
        "A new connection for each POST, c=8",
        shape=Shape(close=True),
        connections=8,
    ),
    Scenario("tls-64", "POST of 200 bytes over TLS, c=64", need="tls"),
    Scenario("h2-64", "POST of 200 bytes over HTTP/2 and TLS, 4 × 16 streams", "h2", need="h2"),
    Scenario("workers-2", "POST of 200 bytes, c=64, two workers", need="workers", workers=2),
    Scenario("down-1", "1 MB down, 100 times", "bulk", size=10**6),
    Scenario("up-1", "1 MB up, 100 times", "bulk", size=10**6, up=True),
    Scenario("down-100", "100 MB down", "bulk", size=HUNDRED_MB),
    Scenario("up-100", "100 MB up", "bulk", size=HUNDRED_MB, up=True),
    Scenario("events", "Server-sent events", "events"),
    Scenario("idle", "1,000 idle keep-alive connections", "idle", connections=1000),
    *(stateless for stateless, _ in _CALLS),
    *(session for _, session in _CALLS),
    _list(10),
    _list(300),
)

BY_KEY = {scenario.key: scenario for scenario in SCENARIOS}
