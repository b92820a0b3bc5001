"""Runs scenarios in interleaved rounds: A B C … A B C …, so that a slow minute hits all alike."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import groupby
from pathlib import Path

from tests.benchmarks import fleet, machine, mcp_client, operations, store, upstream
from tests.benchmarks.fleet import Fleet, NotServing, Running
from tests.benchmarks.opponents.model import Opponent, Program, Programs, SetUp, Tls
from tests.benchmarks.opponents.proxies import nginx_function
from tests.benchmarks.results import Measured, Sample
from tests.benchmarks.scenarios import Scenario
from tests.benchmarks.work import Bench, Spoilt
from tests.support.certificates import self_signed


@dataclass(slots=True)
class Tour:
    """One run of the benchmark, which ends at once where the edge itself does not serve.

    Attributes:
        folder: for everything that is written on the way.
        say: prints a line of progress.
        skipped: why, by contender.
        failures: what spoilt the run.
    """

    folder: Path
    programs: Programs
    opponents: Sequence[Opponent]
    rounds: int
    seconds: float
    say: Callable[[str], None]
    tokens: int = store.TOKENS
    skipped: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def measure(self, scenarios: Sequence[Scenario], run: str) -> dict[str, Measured]:
        """Measure these scenarios, those of one footing on one start of the contenders."""
        with machine.pinned(machine.LOAD_CPUS):
            samples: dict[str, list[Sample]] = {}
            for _, group in groupby(scenarios, lambda each: (each.footing, each.fresh)):
                self._measure_footing(list(group), samples)
        return {key: Measured(run, each) for key, each in samples.items() if each}

    def _measure_footing(
        self, scenarios: Sequence[Scenario], samples: dict[str, list[Sample]]
    ) -> None:
        if scenarios[0].fresh:
            for number in range(1, self.rounds + 1):
                with self._contenders(scenarios[0]) as (bench, running):
                    self._rounds(bench, running, scenarios, [number], samples)
            return
        with self._contenders(scenarios[0]) as (bench, running):
            self._rounds(bench, running, scenarios, range(1, self.rounds + 1), samples)

    def _rounds(
        self,
        bench: Bench,
        running: Sequence[Running],
        scenarios: Sequence[Scenario],
        numbers: Sequence[int],
        samples: dict[str, list[Sample]],
    ) -> None:
        for scenario in scenarios:
            for number in numbers:
                self.say(f"▸ {scenario.title}: round {number} of {self.rounds}")
                for each in running:
                    if takes_part(each.opponent, scenario):
                        self._one(bench, each, scenario, number, samples)

    def _one(
        self,
        bench: Bench,
        running: Running,
        scenario: Scenario,
        number: int,
        samples: dict[str, list[Sample]],
    ) -> None:
        name = running.opponent.name
        try:
            figures = bench.measure(scenario, running)
        except Spoilt as error:
            self.failures.append(f"{scenario.title}, {name}, round {number}: {error}")
            self.say(f"✗ {self.failures[-1]}")
            return
        samples.setdefault(scenario.key, []).append(Sample(name, number, figures))

    @contextmanager
    def _contenders(self, scenario: Scenario) -> Iterator[tuple[Bench, list[Running]]]:
        """The function and all contenders, started; those that cannot be are skipped by name."""
        folder = self._new_folder()
        port = fleet.free_port()
        small = scenario.small and "nginx" in self.programs
        answering = nginx_function(folder, port, upstream.ANSWER, self.programs) if small else None
        with Fleet() as started:
            fleet.function(started, folder, port, answering)
            tools = scenario.exchange.tools if scenario.exchange else 0
            document = operations.document(tools, port) if tools else ""
            known = store.make(folder / "store", port, self.tokens, document)
            tls = Tls(*self_signed(folder)) if scenario.tls else None
            running = []
            for opponent in self._able(scenario):
                home = folder / re.sub(r"\W+", "-", opponent.name)
                setup = SetUp(
                    folder=home,
                    port=fleet.free_port(),
                    upstream=port,
                    tokens=known.tokens,
                    digests=known.digests,
                    store=fleet.copy_of(known.data_dir, home / "data"),
                    tls=tls,
                    workers=scenario.workers,
                    tools=tools,
                )
                if document:
                    setup.document.write_text(document, "utf-8")
                running += self._start(started, opponent, setup)
            yield Bench(folder, self.programs, self.seconds, port), running

    def _able(self, scenario: Scenario) -> Iterator[Opponent]:
        if scenario.kind == "h2" and "h2load" not in self.programs:
            self.say(f"✗ {scenario.title}: skipped, h2load is not installed")
            return
        yield from (each for each in self.opponents if takes_part(each, scenario))

    def _start(self, started: Fleet, opponent: Opponent, setup: SetUp) -> list[Running]:
        try:
            running = started.start(opponent, setup, self.programs)
            if opponent.mcp is None:
                running.await_serving()
            else:
                mcp_client.await_serving(running, self.programs)
            return [running]
        except (NotServing, OSError, HTTPException, LookupError, ValueError) as error:
            if opponent.ours:
                raise
            name = opponent.name + (f", {setup.tools} tools" if setup.tools else "")
            self.skipped[name] = str(error)
            self.say(f"✗ {name} is skipped: {error}")
            return []

    def _new_folder(self) -> Path:
        number = sum(1 for _ in self.folder.iterdir())
        folder = self.folder / str(number)
        folder.mkdir()
        return folder


def takes_part(opponent: Opponent, scenario: Scenario) -> bool:
    """Whether a contender is measured in a scenario."""
    able = scenario.need is None or scenario.need in opponent.can
    return able and (opponent.mcp is not None) == (scenario.exchange is not None)


def available(
    opponents: Sequence[Opponent], programs: Programs, missing: dict[str, str]
) -> tuple[list[Opponent], dict[str, str]]:
    """Those whose programs are there, and why the others are not."""
    found, skipped = [], {}
    for opponent in opponents:
        lacking = [name for name in opponent.programs if name not in programs]
        if lacking:
            skipped[opponent.name] = f"{lacking[0]}: {missing.get(lacking[0], 'not installed')}"
        else:
            found.append(opponent)
    return found, skipped


def versions(programs: dict[str, Program]) -> dict[str, str]:
    """The versions of all that was there."""
    return {name: program.version for name, program in sorted(programs.items())}
