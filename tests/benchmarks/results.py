"""The raw results: every sample of every round, and the machine and versions of their run, as JSON.

A scenario is measured whole in one run. A later run that measures it again replaces it; what that
run did not measure stays, with the run that it came from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """When, where and with what scenarios were measured.

    Attributes:
        began: RFC 3339; also the run's name.
        commit: of the project, empty where that is not known; `+` says that files differ from it.
        versions: by program.
        skipped: why, by contender.
        rounds: of each scenario.
        seconds: of load in each round.
    """

    began: str
    commit: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    skipped: Mapping[str, str]
    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender did in one round of one scenario."""

    opponent: str
    round: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """One scenario: the name of its run, and its samples."""

    run: str
    samples: Sequence[Sample]

    def figure(self, opponent: str, key: str) -> dict[int, float]:
        """A figure of a contender by round; empty if it was not measured."""
        return {s.round: s.figures[key] for s in self.samples if s.opponent == opponent}

    @property
    def opponents(self) -> list[str]:
        """Who was measured, in the order of the first round."""
        return list(dict.fromkeys(sample.opponent for sample in self.samples))


@dataclass(slots=True)
class Results:
    """All that is known: runs by name, scenarios by key."""

    runs: dict[str, Run] = field(default_factory=dict)
    scenarios: dict[str, Measured] = field(default_factory=dict)

    def add(self, run: Run, measured: Mapping[str, Measured]) -> None:
        """Take over what a run measured; runs of which nothing is left are dropped."""
        self.runs[run.began] = run
        self.scenarios |= measured
        kept = {each.run for each in self.scenarios.values()}
        self.runs = {name: each for name, each in self.runs.items() if name in kept}


def load(path: Path) -> Results:
    """What a file holds; nothing if there is none."""
    if not path.exists():
        return Results()
    said = json.loads(path.read_text("utf-8"))
    runs = {each["began"]: Run(**each) for each in said["runs"]}
    return Results(runs, {key: _measured(each) for key, each in said["scenarios"].items()})


def _measured(said: Mapping[str, Any]) -> Measured:
    samples = [
        Sample(opponent, number, dict(zip(said["figures"], values, strict=True)))
        for opponent, number, *values in said["samples"]
    ]
    return Measured(said["run"], samples)


def save(results: Results, path: Path) -> None:
    """Write a file, one line to a sample."""
    path.write_text(dumps(results), "utf-8")


def dumps(results: Results) -> str:
    """The file's text."""
    runs = json.dumps([asdict(run) for run in results.runs.values()], indent=1)
    scenarios = ",\n".join(
        f"{json.dumps(key)}: {_scenario(each)}" for key, each in results.scenarios.items()
    )
    return f'{{"runs": {runs},\n"scenarios": {{\n{scenarios}\n}}}}\n'


def _scenario(measured: Measured) -> str:
    keys = list(measured.samples[0].figures)
    lines = ",\n ".join(
        json.dumps([s.opponent, s.round, *(round(s.figures[key], 3) for key in keys)])
        for s in measured.samples
    )
    head = f'"run": {json.dumps(measured.run)}, "figures": {json.dumps(keys)}'
    return f'{{{head}, "samples": [\n {lines}\n]}}'
