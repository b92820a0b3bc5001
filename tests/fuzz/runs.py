"""A target under libFuzzer for a while, in a process of its own, and what came of it."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.pieces import MAX_SIZE
from tests.fuzz.targets import HERE, folders, load

SLOWEST = 10
"""Seconds that an input may take; one that takes longer is a fault."""

MEMORY = 2048
"""Mebibytes that the process may have."""

_EXECUTIONS = re.compile(r"stat::number_of_executed_units: (\d+)")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_KEPT = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        edges, features: libFuzzer's counts of what was reached in the product.
        fault: the input that shows one, or None.
        output: what libFuzzer said, a traceback among it.
    """

    target: str
    executions: int
    edges: int
    features: int
    inputs: int
    fault: Path | None
    output: str = field(repr=False)


def fuzz(name: str, folder: Path, options: Sequence[str]) -> Outcome:
    """Fuzz a target; what is learnt is kept in the folder and used the next time.

    Args:
        options: libFuzzer's, which say when it is enough.
    """
    corpus, found = folder / "corpus", folder / "found"
    for one in (corpus, found):
        one.mkdir(parents=True, exist_ok=True)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in load(name).words))
    command = [
        *(sys.executable, "-m", "tests.fuzz.drive", name),
        *(f"-max_len={MAX_SIZE}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}"),
        *(f"-dict={words}", f"-artifact_prefix={found}/", "-print_final_stats=1", *options),
        *map(str, [corpus, *folders(name)]),
    ]
    done = subprocess.run(
        command, cwd=HERE.parents[1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return _read(name, done.stdout.decode(errors="replace"), done.returncode)


def _read(name: str, output: str, status: int) -> Outcome:
    executions, kept = _EXECUTIONS.search(output), _KEPT.search(output)
    if not executions or (status and not kept):
        raise RuntimeError(f"the fuzzer of {name} ended with {status}:\n{output[-4000:]}")
    covered = [("0", "0", "0"), *_COVERED.findall(output)]  # none, if a seed shows a fault
    edges, features, inputs = map(int, covered[-1])
    fault = Path(kept[1]) if kept and status else None
    return Outcome(name, int(executions[1]), edges, features, inputs, fault, output)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)
