"""Measures one contender in one scenario, once: the load, and what it cost the server meanwhile."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from tests.benchmarks import calls, machine, mcp_client, traffic
from tests.benchmarks.fleet import Running, bad_token
from tests.benchmarks.load import mcp_clients, streams
from tests.benchmarks.load import wrk as wrk_load
from tests.benchmarks.load.h2load import H2Load
from tests.benchmarks.load.plain import Plain
from tests.benchmarks.load.result import Load, LoadError
from tests.benchmarks.load.wrk import Wrk
from tests.benchmarks.opponents.model import USED, Programs
from tests.benchmarks.scenarios import HUNDRED_MB, Kind, Scenario

WARM_UP_SECONDS = 1.0
MCP_WARM_UP_SECONDS = 0.3
"""Less, as rounds and contenders are many; the first answers were given before."""

WARM_UP_CALLS = 32
ENOUGH = 20
"""Answers per connection: with fewer, what is in flight at the end weighs too much."""

LONGER = 5

Figures = Mapping[str, float]


class Spoilt(Exception):
    """An answer was wrong or a server's processes changed, so the round says nothing."""


@dataclass(slots=True)
class Bench:
    """What measuring needs.

    Attributes:
        folder: for scripts and logs.
        seconds: of load in a round.
        function: the port of the function, for what is measured against it directly.
    """

    folder: Path
    programs: Programs
    seconds: float
    function: int
    _scripts: dict[tuple[str, bool, traffic.Shape], Path] = field(default_factory=dict)

    def measure(self, scenario: Scenario, running: Running) -> Figures:
        """One round of one contender.

        Raises:
            Spoilt: the figures would not count.
        """
        ways: dict[Kind, Callable[[Scenario, Running], Figures]] = {
            "load": self._load,
            "h2": self._load,
            "bulk": self._bulk,
            "events": self._events,
            "idle": self._idle,
            "mcp": self._mcp,
        }
        try:
            return ways[scenario.kind](scenario, running)
        except (LoadError, OSError, HTTPException, ValueError) as error:
            raise Spoilt(str(error)) from error

    def _load(self, scenario: Scenario, running: Running) -> Figures:
        self._run(scenario, running, min(WARM_UP_SECONDS, self.seconds))
        load, spent = self._cost(scenario, running, self.seconds)
        if load.requests < ENOUGH * scenario.connections:
            load, spent = self._cost(scenario, running, LONGER * self.seconds)
        if load.bad or not load.requests:
            raise Spoilt(f"{load.bad} wrong or broken answers beside {load.requests}")
        return _figures(load, spent)

    def _mcp(self, scenario: Scenario, running: Running) -> Figures:
        """No answer is in flight at the end of the load, so few are enough."""
        self._run_mcp(scenario, running, min(MCP_WARM_UP_SECONDS, self.seconds))
        began = _cpu(running)
        load = self._run_mcp(scenario, running, self.seconds)
        return _figures(load, _cpu(running) - began)

    def _run_mcp(self, scenario: Scenario, running: Running, seconds: float) -> Load:
        exchange, mcp, endpoint = scenario.exchange, running.opponent.mcp, running.endpoint
        assert exchange is not None
        assert mcp is not None
        assert endpoint is not None
        revision, messages = mcp.revision(exchange.era), calls.messages(exchange, endpoint, mcp)
        heads = [
            calls.head(endpoint.path, calls.fields(endpoint, revision, exchange.method, session))
            for session in mcp_client.sessions(running, exchange.era, scenario.connections)
        ]
        return mcp_clients.run(
            mcp_clients.Task(running.setup.port, seconds, heads, messages, exchange)
        )

    def _cost(self, scenario: Scenario, running: Running, seconds: float) -> tuple[Load, int]:
        """The load, and the nanoseconds of CPU that the server spent on it."""
        began = _cpu(running)
        load = self._run(scenario, running, seconds)
        return load, _cpu(running) - began

    def _run(self, scenario: Scenario, running: Running, seconds: float) -> Load:
        if scenario.kind == "h2":
            return self._run_h2(running, seconds)
        expected = 4 if scenario.refused else 2
        wrk = self.programs.get("wrk")
        if wrk is None:
            return Plain().run(
                running.setup.port,
                self._requests(scenario, running),
                scenario.connections,
                seconds,
                expected=expected,
                tls=scenario.tls,
            )
        return Wrk(wrk.path, wrk.env).run(
            running.url,
            self._script(scenario, running),
            scenario.connections,
            seconds,
            refused=scenario.refused,
        )

    def _requests(self, scenario: Scenario, running: Running) -> list[bytes]:
        known = running.setup.tokens[:USED]
        tokens = [bad_token(each) for each in known] if scenario.refused else known
        return traffic.requests(scenario.shape, tokens)

    def _script(self, scenario: Scenario, running: Running) -> Path:
        key = (running.setup.tokens[0], scenario.refused, scenario.shape)
        if key not in self._scripts:
            path = self.folder / f"requests-{len(self._scripts)}.lua"
            path.write_text(wrk_load.script(self._requests(scenario, running)), "ascii")
            self._scripts[key] = path
        return self._scripts[key]

    def _run_h2(self, running: Running, seconds: float) -> Load:
        program = self.programs["h2load"]
        body = self.folder / "body.json"
        body.write_bytes(traffic.body(200 + traffic.SPREAD // 2, random.Random(1)))
        headers = {
            ":authority": traffic.HOST,
            "content-type": "application/json",
            "x-jelou-token": running.setup.tokens[0],
        }
        log = self.folder / "h2load.log"
        tool = H2Load(program.path, program.env)
        return tool.run(running.url + traffic.TARGET, headers, body, log, seconds)

    def _bulk(self, scenario: Scenario, running: Running) -> Figures:
        port, token = running.setup.port, running.setup.tokens[0]
        times = HUNDRED_MB // scenario.size
        streams.transfer(port, token, scenario.size, min(3, times), up=scenario.up)
        machine.forget_peaks(running.pids)
        before = machine.resident(running.pids)
        began = _cpu(running)
        seconds = streams.transfer(port, token, scenario.size, times, up=scenario.up)
        spent, peak = _cpu(running) - began, machine.peak_resident(running.pids)
        return {
            "cpu": spent / 1e6,
            "rate": scenario.size * times / 1e6 / seconds,
            "peak": peak / 1e6,
            "grown": (peak - before) / 1e6,
        }

    def _events(self, scenario: Scenario, running: Running) -> Figures:
        token = running.setup.tokens[0]
        first, delay = streams.events(running.setup.port, token)
        direct_first, direct_delay = streams.events(self.function, token)
        return {"first": first - direct_first, "delay": delay - direct_delay}

    def _idle(self, scenario: Scenario, running: Running) -> Figures:
        port, tokens = running.setup.port, running.setup.tokens[:USED]
        with streams.idle(port, tokens, WARM_UP_CALLS):
            pass
        before = machine.resident(running.pids)
        with streams.idle(port, tokens, scenario.connections):
            grown = machine.resident(running.pids) - before
        return {"memory": grown / 1024 / scenario.connections}


def _figures(load: Load, spent: int) -> Figures:
    return {
        "cpu": spent / 1e3 / load.requests,
        "rate": load.requests / load.seconds,
        "p50": load.p50 / 1e3,
        "p99": load.p99 / 1e3,
    }


def _cpu(running: Running) -> int:
    """CPU time of the contender's processes; Spoilt if they are not those that it began with."""
    if machine.tree(running.process.pid) != running.pids:
        raise Spoilt("a process of the server has ended or another begun")
    return machine.cpu_nanoseconds(running.pids)
