"""`python -m tests.fuzz [TARGET…] [--runs N | --seconds S]`: coverage-guided fuzzing.

Inputs that reach something new stay in `.run/fuzz/TARGET/corpus`, where the next run begins. One
that shows a fault is named; once the fault is mended it is kept in `tests/fuzz/cases/TARGET/`.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.runs import Outcome, fuzz
from tests.fuzz.targets import NAMES

FOLDER = Path(".run/fuzz")


def main() -> int:
    """Fuzz the targets one after the other; 1 if a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    enough = parser.add_mutually_exclusive_group()
    enough.add_argument("--runs", type=int, help="inputs of each target")
    enough.add_argument("--seconds", type=int, default=60, help="of each target")
    asked = parser.parse_args()
    unknown = set(asked.targets) - set(NAMES)
    if unknown:
        parser.error(f"no target is named {min(unknown)}")
    if find_spec("atheris") is None:
        parser.exit(2, "atheris is not installed: it has no wheel for this Python or machine\n")
    options = [f"-runs={asked.runs}"] if asked.runs else [f"-max_total_time={asked.seconds}"]
    outcomes = [_told(fuzz(name, FOLDER / name, options)) for name in asked.targets or NAMES]
    return any(outcome.fault for outcome in outcomes)


def _told(outcome: Outcome) -> Outcome:
    line = (
        f"{outcome.target:15} {outcome.executions:9,} inputs, {outcome.edges:5,} edges, "
        f"{outcome.features:6,} features, {outcome.inputs:5,} inputs kept"
    )
    sys.stdout.write(f"{line}\n")
    if outcome.fault:
        sys.stdout.write(f"{outcome.output[-6000:]}\nFAULT: {outcome.fault.resolve()}\n")
    sys.stdout.flush()
    return outcome


if __name__ == "__main__":
    sys.exit(main())
