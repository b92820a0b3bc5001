"""Load over HTTP/2 by h2load. It sends one header block over and over, as HPACK has clients do."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.figures import percentile
from tests.benchmarks.load.result import Load, LoadError

_FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s),", re.MULTILINE)
_REQUESTS = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout")
_STATUS = re.compile(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", re.MULTILINE)
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class H2Load:
    """h2load with one thread; four connections, and sixteen streams on each, make c=64."""

    program: Path
    env: Mapping[str, str]

    def run(
        self, url: str, headers: Mapping[str, str], body: Path, log: Path, seconds: float
    ) -> Load:
        """Run it over TLS for so long. Raises LoadError if h2load fails."""
        log.unlink(missing_ok=True)
        command = [
            str(self.program),
            "-t1",
            "-c4",
            "-m16",
            f"-D{max(1, round(seconds))}",
            f"-d{body}",
        ]
        command += [f"--log-file={log}", *(f"-H{name}: {value}" for name, value in headers.items())]
        done = subprocess.run(
            [*command, url],
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise LoadError(f"h2load: {done.stderr.strip()[-300:]}")
        if "Application protocol: h2" not in done.stdout:
            raise LoadError("h2load: the server does not speak HTTP/2")
        return parse(done.stdout, log.read_text())


def parse(output: str, log: str) -> Load:
    """The report, and the log: start, status and microseconds of each request, tab-separated."""
    finished, counted = _FINISHED.search(output), _REQUESTS.search(output)
    others = _STATUS.search(output)
    if finished is None or counted is None or others is None:
        raise LoadError(f"h2load wrote no report: {output.strip()}")
    succeeded, *broken = map(int, counted.groups())
    latencies = [float(line.split("\t")[2]) for line in log.splitlines()]
    return Load(
        requests=succeeded,
        bad=sum(broken) + sum(map(int, others.groups())),
        seconds=float(finished[1]) * _SECONDS[finished[2]],
        p50=percentile(latencies, 50),
        p99=percentile(latencies, 99),
    )
