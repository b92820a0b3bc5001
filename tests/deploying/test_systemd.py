"""The units: as systemd wants them, true to the edge, and an edge that is held to them works.

No systemd is started: its tools judge the files, and `tests/support/sandbox.py` does to a real edge
what the units say.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config import Config
from edge.config_loading import load
from edge.server.orders import MARGIN
from tests.docs.pages import DOCS
from tests.support.processes import JELOU, ROOT, run
from tests.support.tools import tool
from tests.support.units import Unit

UNITS = ROOT / "examples" / "deploying" / "systemd"
SERVICE = UNITS / "jelou-edge.service"
APART = UNITS / "functions-apart.conf"
PROGRAM = "/opt/jelou-edge/bin/jelou"


@pytest.fixture(params=["alone", "apart"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The units where the program that they name is; with the drop-in in the second case."""
    for file in UNITS.glob("jelou-edge.*"):
        text = file.read_text("utf-8").replace(PROGRAM, shutil.which("true") or "")
        (tmp_path / file.name).write_text(text, "utf-8")
    if request.param == "apart":
        (tmp_path / "jelou-edge.service.d").mkdir()
        shutil.copy(APART, tmp_path / "jelou-edge.service.d")
    return tmp_path


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    words = [tool("systemd-analyze"), "--no-pager", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_against_them(units: Path) -> None:
    files = [units / "jelou-edge.service", units / "jelou-edge.socket"]
    done = analyze("verify", "--man=no", *files)
    assert (done.returncode, done.stderr) == (0, "")


def test_little_is_left_open(units: Path) -> None:
    most = "31" if (units / "jelou-edge.service.d").exists() else "17"
    done = analyze(
        *("security", "--offline=true", f"--threshold={most}"), units / "jelou-edge.service"
    )
    assert done.returncode == 0, done.stdout


def test_a_drain_has_its_time_and_functions_theirs_after_it() -> None:
    unit, config = Unit(SERVICE), Config(data_dir=Path("/x"))
    assert int(unit["TimeoutStopSec"]) > config.drain_timeout + config.stop_timeout + MARGIN
    assert unit["KillMode"] == "mixed"
    assert f"the {MARGIN:g} s after" in SERVICE.read_text()
    assert (unit["Type"], unit["ExecReload"]) == ("notify", "/bin/kill -USR2 $MAINPID")


def test_the_edge_takes_the_arguments_and_the_settings() -> None:
    unit = Unit(SERVICE)
    program, *words = unit["ExecStart"].split()
    toml = Path(words[-1])
    assert (program, toml.name, toml.parent) == (PROGRAM, "edge.toml", Path("/etc/jelou-edge"))
    shown = run([*JELOU, *words[:-1], str(UNITS / "edge.toml"), "--print-config"])
    assert shown.returncode == 0, shown.stderr
    environ = dict(each.split("=", 1) for each in unit.all("Environment"))
    config = load({}, environ, UNITS / "edge.toml").config
    assert config.data_dir == Path("/var/lib") / unit["StateDirectory"]


def test_the_user_is_made_before_the_unit_needs_it() -> None:
    kind, name, *_ = (UNITS / "jelou-edge.sysusers").read_text().split()
    unit = Unit(SERVICE)
    assert kind == "u"
    assert name == unit["User"] == unit["Group"]


def test_what_is_left_out_is_said() -> None:
    told = (DOCS.parent / "examples" / "deploying" / "README.md").read_text("utf-8")
    for file in UNITS.iterdir():
        assert file.name in told
