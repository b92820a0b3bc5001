"""The edge itself, as its users start it: `jelou serve`, in its lanes and loops.

Without its access log, since others are measured without theirs; with it in a row of its own.
"""

from collections.abc import Callable

from tests.benchmarks.opponents.model import EVERYTHING, Launch, Need, Opponent, Programs, SetUp
from tests.support.edge import isolated
from tests.support.processes import JELOU


def _serve(*flags: str) -> Callable[[SetUp, Programs], Launch]:
    def launch(setup: SetUp, programs: Programs) -> Launch:
        del programs
        command = [*JELOU, "serve", "--data-dir", str(setup.store), "--access-log", "off", *flags]
        command += ["--bind", f"127.0.0.1:{setup.port}", "--workers", str(setup.workers)]
        # Every load comes from one address, whose bad tokens would soon be 429 instead of 401.
        command += ["--auth-failures", "off"]
        if setup.tls:
            command += ["--certfile", str(setup.tls.certificate), "--keyfile", str(setup.tls.key)]
        return Launch(command, isolated(setup.store))

    return launch


_CHECK = "SHA-256 of 1,000"


def _row(
    name: str, needs: tuple[str, ...], *flags: str, can: frozenset[Need] = EVERYTHING
) -> Opponent:
    return Opponent(name, _CHECK, True, needs, _serve(*flags), can, ours=True)


UVLOOP = "jelou, uvloop"
ASYNCIO = "jelou, asyncio"
ONE_LANE = "jelou, uvloop, no fast lane"
LOGGING = "jelou, uvloop, access log"

OPPONENTS = (
    _row(UVLOOP, ("jelou", "jelou-uvloop"), "--loop", "uvloop"),
    _row(ASYNCIO, ("jelou",), "--loop", "asyncio"),
    _row(ONE_LANE, ("jelou", "jelou-uvloop"), "--loop", "uvloop", "--no-fast-lane"),
    _row(
        LOGGING,
        ("jelou", "jelou-uvloop"),
        *("--loop", "uvloop", "--access-log", "stderr"),
        can=frozenset(),
    ),
)
