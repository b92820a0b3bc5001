"""What the doctor finds: each thing that can be wrong, what it says to type, and the exit code."""

import json
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edge.admin.status_operations import EdgeStatus, FailingInfo, WorkerInfo
from edge.cli.context import Session
from edge.cli.doctor_checks import Bind, Facts, File, Program, Project, findings
from edge.cli.main import run
from tests.support.mounts import read_only

STATUS = EdgeStatus(
    running=True,
    version="1",
    url="http://127.0.0.1:8080",
    since=0.0,
    workers=(WorkerInfo(0, 1, 0.0, 7),),
    silent=(),
    generation=7,
    functions=1,
    states={"up": 1},
    failing=(),
    store_bytes=1,
    errors=(),
)
HEALTHY = Facts(
    directory="/data",
    mode=0o700,
    is_ours=True,
    is_writable=True,
    socket=40,
    store="",
    files=(File("edge.db", 0o600, is_ours=True),),
    free=10**12,
    clock=1000.0,
    store_clock=1000.0,
    descriptors=100_000,
    connections=10_000,
    binds=(Bind("127.0.0.1:8080", None),),
    open_binds=(),
    public_url=None,
    projects=(Project("shop", None),),
    programs=(Program("shop", "node", is_found=True),),
    status=STATUS,
)


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert {finding.level for finding in findings(HEALTHY)} == {"ok"}


CASES = {
    "others-read-the-directory": ({"mode": 0o755}, "data directory", "chmod go-rw /data"),
    "a-directory-that-takes-no-writes": ({"is_writable": False}, "data directory", "--data-dir"),
    "another-users-directory": ({"is_ours": False}, "data directory", "chown"),
    "others-read-a-file": (
        {"files": (File("edge.db", 0o644, is_ours=True),)},
        "files",
        "chmod 600 /data/edge.db",
    ),
    "another-users-file": ({"files": (File("k", 0o600, is_ours=False),)}, "files", "chown"),
    "a-broken-key-file": (
        {"files": (File("k", 0o600, is_ours=True, problem="it holds no key"),)},
        "files",
        "jelou restore",
    ),
    "a-damaged-store": ({"store": "it is damaged"}, "store", "jelou restore"),
    "no-room": ({"free": 10**6}, "disk", "--data-dir"),
    "a-clock-that-fell-behind": ({"store_clock": 4600.0}, "clock", "timedatectl"),
    "a-long-path": ({"socket": 120}, "admin socket", "--data-dir"),
    "a-taken-port": ({"binds": (Bind("127.0.0.1:80", "in use"),)}, "address", "--bind"),
    "a-bad-project": ({"projects": (Project("shop", "no"),)}, "project", "--dry-run"),
    "no-node": ({"programs": (Program("shop", "node", is_found=False),)}, "program", "node"),
    "a-silent-worker": ({"status": replace(STATUS, silent=(1,))}, "edge", "jelou status"),
    "a-late-worker": ({"status": replace(STATUS, generation=8)}, "edge", "restart"),
    "a-failing-function": (
        {"status": replace(STATUS, failing=(FailingInfo("shop", "failed", "exit 1"),))},
        "function",
        "jelou logs shop",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_named_with_what_to_type(name: str) -> None:
    changed, check, advice = CASES[name]
    [found] = [f for f in findings(replace(HEALTHY, **changed)) if f.level == "wrong"]
    assert found.check == check
    assert found.advice is not None
    assert advice in found.advice


def test_too_few_descriptors_are_a_warning() -> None:
    [found] = [f for f in findings(replace(HEALTHY, descriptors=1024)) if f.level != "ok"]
    assert (found.check, found.level) == ("descriptors", "warning")
    assert "--max-connections 384" in (found.advice or "")


@pytest.mark.parametrize(
    ("url", "advices"),
    [
        (None, ["--public-url", "--certfile"]),
        ("http://edge.example", ["--certfile"]),
        ("https://edge.example", []),
    ],
)
def test_tokens_in_plain_text_from_other_machines_are_a_warning(
    url: str | None, advices: list[str]
) -> None:
    facts = replace(HEALTHY, open_binds=("0.0.0.0:8080",), public_url=url)
    found = [f for f in findings(facts) if f.level != "ok"]
    assert {(f.check, f.level) for f in found} <= {("exposure", "warning")}
    assert [each in (f.advice or "") for f, each in zip(found, advices, strict=True)] == [
        True
    ] * len(advices)


def test_functions_started_with_what_a_directory_keeps_open_to_root_are_no_fault() -> None:
    assert {f.level for f in findings(replace(HEALTHY, mode=0o711))} == {"ok"}


def doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], **variables: str
) -> tuple[int, dict[str, str]]:
    """The exit code, and what is wrong by check."""
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), **variables}
    arguments = ["doctor", "--data-dir", str(tmp_path / "data"), "--json"]
    try:
        code = run(arguments, Session(environ))
    except SystemExit as ended:
        code = int(ended.code or 0)
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["healthy"] is (code == 0)
    wrong = {f["check"]: f["message"] for f in data["findings"] if f["level"] == "wrong"}
    return code, wrong


def test_a_read_only_directory_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").mkdir(mode=0o700)
    with read_only(tmp_path / "kept", tmp_path / "data"):
        code, wrong = doctor(tmp_path, capsys, JELOU_BIND="127.0.0.1:0")
    assert (code, "cannot be written" in wrong["data directory"]) == (1, True)


def test_what_other_machines_reach_is_known_from_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as probe:
        port = probe.getsockname()[1]
    variables = {"JELOU_BIND": f"127.0.0.1:0,0.0.0.0:{port}", "HOME": str(tmp_path)}
    run(["doctor", "--data-dir", str(tmp_path / "data")], Session(variables))
    lines = [line for line in capsys.readouterr().out.splitlines() if "exposure" in line]
    assert len(lines) == 2
    assert all(f"0.0.0.0:{port}" in line for line in lines)


def test_a_machine_is_looked_at_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert doctor(tmp_path, capsys, JELOU_BIND="127.0.0.1:0") == (0, {})
    assert not data.exists()
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    (data / "edge.db").write_bytes(b"no database" * 100)
    (data / "edge.db").chmod(0o640)
    (data / "cron-keys.json").write_text("{}")
    (data / "cron-keys.json").chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, wrong = doctor(
            tmp_path, capsys, JELOU_BIND=address, JELOU_PROJECT=str(tmp_path / "nothing")
        )
    assert code == 1
    assert wrong.keys() == {"data directory", "files", "store", "address", "project"}
    assert address in wrong["address"]
    assert "damaged" in wrong["store"]
