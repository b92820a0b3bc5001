"""`docs/operations.md`: its runbook, line by line, on a real edge that is really stopped."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.admin.backing_up import PLAIN
from tests.docs.pages import blocks, codes, page, rows
from tests.support.edge import isolated
from tests.support.processes import JELOU, ROOT
from tests.support.service_manager import Told, hearing
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import eventually, is_alive

PAGE = page("operations.md")
RUNBOOK = [
    line.removeprefix("$ ")
    for block in blocks(PAGE)
    if not block.language
    for line in block.text.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture
def origin() -> Iterator[Function]:
    with function() as running:
        yield running


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with hearing(tmp_path / "notify") as listening:
        yield listening


class Unit:
    """The unit of the page: an edge that is stopped and started, and told to reload."""

    def __init__(self, data_dir: Path, told: Told) -> None:
        self._data_dir = data_dir
        self._told = told
        self._running = ExitStack()
        self.edge: Edge | None = None

    def do(self, what: str, *flags: str) -> None:
        """`systemctl WHAT jelou-edge`, the unit's command having these flags."""
        if what in ("stop", "restart"):
            self._running.close()
            self.edge = None
        if what in ("start", "restart"):
            own = ("--drain-timeout", "1", *flags)
            started = serving(self._data_dir, *own, env=self._told.variables)
            self.edge = self._running.enter_context(started)
        if what == "reload" and self.edge is not None:
            os.kill(self.edge.pid, signal.SIGUSR2)
            said: dict[str, str] = {}
            while "MAINPID" not in said:
                said = self._told.next()
            self._running.callback(end, int(said["MAINPID"]))
            self.edge.program.process.wait(30)


def end(pid: int) -> None:
    """End an edge that another one has started."""
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not is_alive(pid), "it has ended", 30)


def jelou(line: str, data_dir: Path, cwd: Path) -> None:
    """Run a line with `jelou` in it; where it asks, the answer is yes."""
    program = " ".join(map(shlex.quote, JELOU))
    script = f'jelou() {{ {program} "$@" -y; }}\n{line}'
    environ = {**os.environ, **isolated(data_dir), "PYTHONPATH": str(ROOT)}
    environ |= {"JELOU_DATA_DIR": str(data_dir), "JELOU_BIND": "127.0.0.1:0"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_runbook_does_what_it_says(tmp_path: Path, origin: Function, told: Told) -> None:
    data_dir, unit = tmp_path / "data", Unit(tmp_path / "data", told)
    unit.do("start")
    assert unit.edge is not None
    token = unit.edge.deploy("shop", origin.url).token
    for line in RUNBOOK:
        match line.split():
            case ["systemctl", what, "jelou-edge"]:
                unit.do(what)
            case ["jelou", "serve", *flags]:
                unit.do("restart", *flags)
            case ["pip", *_]:
                continue  # the version that is here is the newest, and the one before
            case _:
                jelou(line, data_dir, tmp_path)
        if unit.edge is not None:
            assert unit.edge.caller().ask("/shop/hello", token).status == 200
    assert unit.edge is not None
    unit.do("stop")
    assert (tmp_path / "elsewhere" / "edge.db").exists()


def test_what_a_backup_holds_is_what_the_page_says() -> None:
    table = PAGE.partition("| in it | |")[2].partition("\n\n")[0]
    named = {code for cells in rows(table) for code in codes(cells[0])}
    assert named == {*PLAIN, "code/"}
