"""A real edge, installed for all users, held to what the units say, with real functions."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.running.users import FIRST, MANY
from tests.deploying.test_systemd import APART, SERVICE
from tests.support.code_projects import defined_project, http_server, project
from tests.support.edge import EDGE_READY
from tests.support.installed import environ, must
from tests.support.processes import started
from tests.support.sandbox import Rules
from tests.support.service_manager import Told, hearing
from tests.support.tools import tool
from tests.support.units import Unit
from tests.support.whole_edge import Caller
from tests.support.whole_processes import eventually, is_alive

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]
NOBODY = 64123
"""The number of a user that is nobody else."""

NODE = """
const http = require("http");
let n = 0;
for (let i = 0; i < 1e7; i++) n += i % 7;  // enough to be compiled as it runs
http.createServer((_, answer) => answer.end(JSON.stringify({uid: process.getuid()})))
  .listen(process.env.PORT);
"""
PYTHON = http_server("""
def tried(path, mode):
    try:
        open(path, mode).close()
        return "done"
    except OSError as error:
        return error.strerror

def answer(path):
    store = os.path.join(path, "edge.db")
    return json.dumps({"uid": os.getuid(), "store": tried(store, "rb"),
                       "system": tried("/etc/jelou-edge.test", "w")})
""")


@dataclass(frozen=True)
class Held:
    """An edge under a unit's rules."""

    data_dir: Path
    port: int
    uid: int
    python: Path
    told: Told
    pid: int

    def jelou(self, *arguments: str | Path) -> Any:
        """Run a command as the edge's own user."""
        who = (f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups")
        words = (self.python, "-m", "edge.cli.main", *arguments, "--json", "--no-input")
        as_user = (tool("setpriv"), *who, *words, "--data-dir", self.data_dir)
        own = environ(HOME=str(self.data_dir.parent), XDG_CONFIG_HOME="")
        return json.loads(must(*as_user, cwd=self.data_dir.parent, env=own))["data"]

    def ask(self, slug: str, path: str = "/", **more: Any) -> Any:
        """What a public function answers."""
        with closing(Caller(self.port)) as caller:
            answer = caller.ask(f"/{slug}{path}", **more)
        assert answer.status == 200, answer
        return answer.json


@pytest.fixture(params=["alone", "apart"])
def held(request: pytest.FixtureRequest, installed: Path) -> Iterator[Held]:
    is_apart = request.param == "apart"
    unit = Unit(SERVICE, APART) if is_apart else Unit(SERVICE)
    uid = 0 if is_apart else NOBODY
    with tempfile.TemporaryDirectory() as name, hearing(Path(name) / "notify") as told:
        Path(name).chmod(0o755)
        Path(name, "notify").chmod(0o666)
        data_dir = Path(name) / "data"
        data_dir.mkdir()
        data_dir.chmod(int(unit["StateDirectoryMode"], 8))
        os.chown(data_dir, uid, uid)
        rules = Rules(
            *(uid, (str(data_dir),), unit.capabilities(), unit.calls()),
            umask=int(unit["UMask"], 8),
        )
        python = installed / "bin" / "python"
        serve = [str(python), "-m", "edge.cli.main", "serve", "--bind", "127.0.0.1:0"]
        more = {**told.variables, "HOME": name, "PATH": os.defpath}
        command = [*rules.words(), *serve, "--data-dir", str(data_dir)]
        with started(command, EDGE_READY, env=more, seconds=60) as program:
            assert told.next()["READY"] == "1"
            port = int(program.address.rpartition(":")[2])
            yield Held(data_dir, port, uid, python, told, program.process.pid)
        assert program.process.returncode == 0, program.output()


def test_functions_of_every_kind_run_and_reach_no_more_than_they_should(held: Held) -> None:
    public = {"config": {"public": True}, "openapi": False}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        python = {"server.py": PYTHON}
        project(folder / "a", python, function="a", command=["python3", "server.py"], **public)
        node = {"server.js": NODE}
        project(folder / "b", node, function="b", command=[tool("node"), "server.js"], **public)
        defined_project(folder / "c", function="c")
        for each in ("a", "b", "c"):
            assert held.jelou("deploy", folder / each)["function"] == each
    told = held.ask("a", str(held.data_dir))
    assert told["system"] in ("Read-only file system", "Permission denied")
    users = {told["uid"], held.ask("b")["uid"]}
    if held.uid == 0:
        assert len(users) == 2
        assert all(FIRST <= user < FIRST + MANY for user in users)
        assert told["store"] == "Permission denied"
    else:
        assert users == {NOBODY}
    greeted = held.ask("c", method="POST", body='{"name": "Ana"}')
    assert greeted == {"hello": "Ana", "version": "one"}
    state = held.jelou("doctor")["findings"]
    assert [each for each in state if each["level"] == "wrong"] == []


def test_a_reload_stays_within_what_the_unit_allows(held: Held) -> None:
    os.kill(held.pid, signal.SIGUSR2)
    said: dict[str, str] = {}
    while "MAINPID" not in said:
        said |= held.told.next()
    successor = int(said["MAINPID"])
    try:
        status = Path(f"/proc/{successor}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert f"Uid:\t{held.uid}\t" in status
    finally:
        os.kill(successor, signal.SIGTERM)
    eventually(lambda: not is_alive(successor), "the second edge has ended")
    eventually(lambda: not is_alive(held.pid), "so has the first")
