"""Load by wrk, which a Lua script gives every request ready made and which reports in JSON."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.load.result import Load, LoadError

PATIENCE = 30
"""Seconds that wrk waits for an answer; what takes longer counts as bad."""

_SCRIPT = """
local requests = {%s}
local count, at = #requests, 0
request = function() at = at %% count + 1; return requests[at] end
done = function(summary, latency)
  local e = summary.errors
  local broken = e.connect + e.read + e.write + e.timeout
  io.write(string.format('{"requests":%%d,"refused":%%d,"broken":%%d,"us":%%d,"p50":%%d,"p99":%%d}\\n',
    summary.requests, e.status, broken, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Wrk:
    """wrk with one thread.

    Attributes:
        program: where it is.
        env: what it needs in its environment to start.
    """

    program: Path
    env: Mapping[str, str]

    def run(
        self, url: str, script: Path, connections: int, seconds: float, *, refused: bool
    ) -> Load:
        """Run it; `refused` says that every answer has to be a 4xx, else none may be.

        Raises:
            LoadError: wrk failed.
        """
        command = [str(self.program), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        command += ["--timeout", f"{PATIENCE}s", "-s", str(script), url]
        done = subprocess.run(
            command,
            env=dict(self.env),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 2 * PATIENCE,
        )
        if done.returncode:
            raise LoadError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
        return parse(done.stdout, refused=refused)


def script(requests: Sequence[bytes]) -> str:
    """The Lua script that sends these in turn, over and over."""
    return _SCRIPT % ",\n".join(map(_lua, requests))


def _lua(text: bytes) -> str:
    """A Lua string: every byte that is not plain as `\\ddd`."""
    plain = (chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:03}" for c in text)
    return '"' + "".join(plain) + '"'


def parse(output: str, *, refused: bool) -> Load:
    """What the script's `done` wrote. Raises LoadError if it is not there."""
    try:
        said = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise LoadError(f"wrk wrote no report: {output.strip()}") from None
    wrong = said["requests"] - said["refused"] if refused else said["refused"]
    bad = wrong + said["broken"]
    return Load(said["requests"], bad, said["us"] / 1e6, said["p50"], said["p99"])
