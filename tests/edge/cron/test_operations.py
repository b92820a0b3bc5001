"""Schedules as one manages them: operations, the management API, the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.admin.cron_operations import CronRunInfo
from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest
from tests.support.edge import isolated
from tests.support.operations import store
from tests.support.processes import JELOU
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import eventually

SCHEDULES = [
    {"expression": "0 9 * * *", "timezone": "America/Guayaquil", "name": "daily", "botId": "b-1"},
    {"expression": "*/5 * * * *", "overlap": "allow", "grace": "5m"},
]


def project(upstream: str, cron: list[dict[str, Any]], slug: str = "shop") -> DeployRequest:
    """What to deploy."""
    written = {"function": slug, "upstream": upstream, "config": {"cron": cron}}
    return DeployRequest(project=json.dumps(written))


def test_without_an_edge_schedules_are_listed_and_none_is_fired(tmp_path: Path) -> None:
    with store(tmp_path) as operations:
        operations.deploy(project("http://127.0.0.1:9", SCHEDULES))
        daily, often = operations.schedules("shop")
        assert (daily.name, daily.timezone, daily.bot_id) == ("daily", "America/Guayaquil", "b-1")
        assert (daily.overlap, daily.grace, daily.target) == ("skip", 60, "/")
        assert (often.name, often.timezone, often.overlap, often.grace) == (
            None,
            "UTC",
            "allow",
            300,
        )
        assert daily.next is not None
        assert daily.next % 86400 == 14 * 3600
        with pytest.raises(AdminError, match="No edge is running"):
            operations.fire("shop", "daily")
        assert operations.cron_runs("shop") == ()


def test_a_tool_that_cannot_be_fired_is_told_at_deploy(tmp_path: Path) -> None:
    tools = {
        "user": {"method": "GET", "path": "/users/{id}", "config": {"cron": SCHEDULES[:1]}},
        "report": {"method": "GET", "path": "/report", "config": {"cron": SCHEDULES[:1]}},
    }
    written = {"function": "shop", "upstream": "http://127.0.0.1:9", "tools": tools}
    with store(tmp_path) as operations:
        made = operations.deploy(DeployRequest(project=json.dumps(written)))
        targets = {one.tool: one.target for one in operations.schedules("shop")}
    told = [warning for warning in made.warnings if "schedules cannot be fired" in warning]
    assert [warning.partition(":")[0] for warning in told] == ["Tool user"]
    assert targets == {"user": None, "report": "/report"}


def test_signing_secrets_are_made_once_rotated_and_gone_with_the_function(tmp_path: Path) -> None:
    with store(tmp_path) as operations:
        operations.deploy(project("http://127.0.0.1:9", []))
        first = operations.signing_secret("shop")
        assert first.previous is None
        assert operations.signing_secret("shop") == first
        assert first.secret not in repr(first)
        second = operations.rotate_signing_secret("shop")
        assert (second.secret != first.secret, second.previous) == (True, first.secret)
        third = operations.rotate_signing_secret("shop", overlap=0)
        assert (third.previous, operations.signing_secret("shop")) == (None, third)
        for path in tmp_path.iterdir():  # at rest they are sealed
            if path.is_file():
                content = path.read_bytes()
                assert not any(one.secret.encode() in content for one in (first, second, third))
        operations.delete_function("shop")
        operations.deploy(project("http://127.0.0.1:9", []))
        assert operations.signing_secret("shop").secret != third.secret


def test_a_secret_whose_key_is_lost_says_so_and_can_be_rotated(tmp_path: Path) -> None:
    with store(tmp_path) as operations:
        operations.deploy(project("http://127.0.0.1:9", []))
        operations.signing_secret("shop")
        (tmp_path / "cron-keys.json").unlink()
        with pytest.raises(AdminError, match="rotate-secret shop"):
            operations.signing_secret("shop")
        made = operations.rotate_signing_secret("shop")
        assert (made.previous, operations.signing_secret("shop")) == (None, made)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda o: o.schedules("gone"), "NOT_FOUND"),
        (lambda o: o.cron_runs("gone"), "NOT_FOUND"),
        (lambda o: o.fire("gone"), "NOT_FOUND"),
        (lambda o: o.signing_secret("gone"), "NOT_FOUND"),
        (lambda o: o.rotate_signing_secret("gone"), "NOT_FOUND"),
        (lambda o: o.cron_run("shop", "run_none"), "NOT_FOUND"),
        (lambda o: o.cron_runs("shop", "BROKEN"), "INPUT_ERROR"),
        (lambda o: o.cron_runs("shop", None, 0), "INPUT_ERROR"),
        (lambda o: o.fire("shop"), "INPUT_ERROR"),
        (lambda o: o.fire("shop", "weekly"), "NOT_FOUND"),
        (lambda o: o.rotate_signing_secret("shop", -1.0), "INPUT_ERROR"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, call: Any, code: str) -> None:
    with store(tmp_path) as operations:
        operations.deploy(project("http://127.0.0.1:9", SCHEDULES))
        with pytest.raises(AdminError) as raised:
            call(operations)
    assert raised.value.code == code


@pytest.fixture
def origin() -> Iterator[Function]:
    """A function that a test holds in its hands."""
    with function() as running:
        yield running


@pytest.fixture
def edge(shared_edge: Edge) -> Edge:
    """An edge of two workers, either of which may be asked."""
    return shared_edge


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Edge]:
    """An edge of a test's own, to be ended by it."""
    with serving(tmp_path / "data", workers=2) as running:
        yield running


def cli(edge: Edge, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """One run of the command line."""
    command = [*JELOU, *arguments, "--data-dir", str(edge.data_dir)]
    return subprocess.run(
        command,
        env=isolated(edge.data_dir),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def data(done: "subprocess.CompletedProcess[str]") -> Any:
    """The `data` of a command with `--json`."""
    return json.loads(done.stdout)["data"]


def test_a_schedule_is_fired_on_demand_by_a_running_edge(edge: Edge, origin: Function) -> None:
    edge.operations.deploy(project(origin.url, SCHEDULES))
    for command in (["cron"], ["functions", "cron"]):
        done = cli(edge, *command, "run", "shop", "daily")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("✓ Ran daily: 200 in ")
    assert origin.requests.count("/") == 2
    (latest, first) = edge.operations.cron_runs("shop")
    assert (latest.state, latest.status, latest.manual, latest.due) == ("ok", 200, True, None)
    assert latest.started >= first.started
    listed = data(cli(edge, "cron", "logs", "shop", "--state", "OK", "--limit", "1", "--json"))
    assert [(run["id"], run["state"], run["status"]) for run in listed] == [(latest.id, "ok", 200)]
    assert data(cli(edge, "cron", "logs", "shop", "--state", "ERROR", "--json")) == []
    (daily, _) = data(cli(edge, "functions", "cron", "list", "shop", "--json"))
    assert (daily["name"], daily["botId"], daily["timezone"]) == (
        "daily",
        "b-1",
        "America/Guayaquil",
    )
    table = cli(edge, "cron", "list", "shop").stdout
    assert "daily" in table
    assert "*/5 * * * *" in table


def test_a_run_that_fails_is_told_and_found_by_its_state(edge: Edge) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        edge.operations.deploy(
            project(f"http://127.0.0.1:{nobody.getsockname()[1]}", SCHEDULES[:1])
        )
        done = cli(edge, "cron", "run", "shop")
    assert done.returncode == 1
    assert "daily failed: 502 upstream_unreachable" in done.stdout
    (run,) = edge.operations.cron_runs("shop", "ERROR")
    assert (run.state, run.status, run.code) == ("error", 502, "upstream_unreachable")
    assert run.duration is not None


def fired_and_held(edge: Edge, origin: Function) -> CronRunInfo:
    """A run of a tool that goes on until `origin` lets it go."""
    tools = {"hold": {"method": "POST", "path": "/hold", "config": {"cron": SCHEDULES[:1]}}}
    written = {"function": "shop", "upstream": origin.url, "tools": tools}
    edge.operations.deploy(DeployRequest(project=json.dumps(written)))
    run = edge.operations.fire("shop")
    origin.wait_for_held(1)
    return run


def test_a_run_that_goes_on_is_waited_for_and_keeps_a_second_from_starting(
    edge: Edge, origin: Function
) -> None:
    first = fired_and_held(edge, origin)
    assert (first.state, first.tool, first.ended) == ("running", "hold", None)
    done = cli(edge, "cron", "run", "shop", "daily")
    assert (done.returncode, "still going" in done.stdout) == (1, True)
    origin.let_go.set()
    eventually(
        lambda: edge.operations.cron_run("shop", first.id).state == "ok", "the run has ended"
    )


def test_an_edge_that_is_killed_leaves_its_runs_unknown(own: Edge, origin: Function) -> None:
    run = fired_and_held(own, origin)
    for process in (own.pid, *own.workers):  # found before their parent is gone
        os.kill(process, signal.SIGKILL)
    own.program.process.wait()
    with store(own.data_dir) as operations:
        eventually(
            lambda: operations.cron_run("shop", run.id).state == "unknown", "it is known as cut"
        )
        (kept,) = operations.cron_runs("shop", "UNKNOWN")
    assert (kept.id, kept.ended, kept.duration) == (run.id, None, None)


def test_a_drain_lets_a_run_end(own: Edge, origin: Function) -> None:
    run = fired_and_held(own, origin)
    os.kill(own.pid, signal.SIGTERM)
    threading.Timer(0.5, origin.let_go.set).start()
    own.program.process.wait(20)
    with store(own.data_dir) as operations:
        assert operations.cron_run("shop", run.id).state == "ok"


def test_signing_secrets_by_the_command_line(edge: Edge, origin: Function) -> None:
    edge.operations.deploy(project(origin.url, SCHEDULES))
    shown = cli(edge, "functions", "info", "shop", "--signing-secret")
    first = edge.operations.signing_secret("shop").secret
    assert shown.stdout == f"▸ Signing secret   {first}\n"
    rotated = cli(edge, "functions", "rotate-secret", "shop", "--overlap", "1h")
    second = edge.operations.signing_secret("shop")
    assert second.previous == first
    assert rotated.stdout.splitlines()[:2] == [
        "✓ Rotated the signing secret of shop",
        f"▸ Signing secret   {second.secret}",
    ]
    assert "another 1h" in rotated.stdout
    found = data(cli(edge, "functions", "rotate-secret", "shop", "--overlap", "0s", "--json"))
    assert (found["previous"], found["secret"] != second.secret) == (None, True)
    assert cli(edge, "functions", "info", "gone", "--signing-secret").returncode == 1


FORGED = {
    "X-Jelou-Trigger": "cron",
    "x_jelou_trigger": "cron",
    "X-Jelou-Cron": "0 9 * * *",
    "X-Jelou-Cron-Name": "daily",
    "X-Jelou-Bot-Id": "b-1",
    "X-Jelou-Cron-Run": "run_forged",
    "X-Jelou-Cron-Signature": "t=1,v1=" + "0" * 64,
}


def test_a_forged_run_reaches_no_function_as_one(edge: Edge, origin: Function) -> None:
    made = edge.operations.deploy(project(origin.url, SCHEDULES))
    asked = project(origin.url, SCHEDULES, "open").project
    assert asked is not None
    public = json.loads(asked)
    public["config"]["public"] = True
    edge.operations.deploy(DeployRequest(project=json.dumps(public)))
    caller = edge.caller()
    assert caller.ask("/shop/", headers=FORGED).status == 401
    assert caller.ask("/shop/", method="POST", body=b"", headers=FORGED).status == 401
    for slug, token in (("shop", made.token), ("open", None)):
        seen = caller.ask(f"/{slug}/any", token, headers=FORGED).json["seen"]
        assert seen["x-jelou-trigger"] == "http"
        assert not [name for name in seen if "cron" in name or "bot-id" in name]


SERVER = """
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = self.headers.get("X-Jelou-Trigger"), self.headers.get("X-Jelou-Cron-Name")
        self.send_response(200 if said == ("cron", "daily") else 418)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.send_error(404)

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.mark.slow
def test_a_function_that_the_edge_runs_is_woken_for_its_schedule(tmp_path: Path) -> None:
    code, data_dir = tmp_path / "code", tmp_path / "data"
    code.mkdir()
    (code / "server.py").write_text(SERVER)
    command = [sys.executable, "server.py"]
    written = {"function": "own", "command": command, "config": {"cron": SCHEDULES[:1]}}
    (code / "jelou.json").write_text(json.dumps(written))
    with serving(data_dir) as running:
        done = cli(running, "deploy", str(code), "--no-confirm")
        assert done.returncode == 0, done.stderr
        assert cli(running, "cron", "run", "own").returncode == 0
    with serving(data_dir) as running:  # in which nobody has called it yet
        done = cli(running, "cron", "run", "own", "daily")
        assert (done.returncode, done.stdout[:15]) == (0, "✓ Ran daily: 20")
