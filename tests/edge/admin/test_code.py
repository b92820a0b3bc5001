"""Deploying code: real processes are tried before anything is live, and nothing is left of them."""

import http.client
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.admin.api import AdminApi
from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations
from edge.admin.operations import DeployRequest, Operations
from tests.support.asgi_server import on_tcp
from tests.support.code_projects import (
    defined_project,
    deploy,
    node_project,
    project,
    python_project,
)
from tests.support.operations import WAYS, reached, store


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "data", start_timeout=10.0) as opened:
        yield opened


@pytest.fixture(params=WAYS)
def operations(
    request: pytest.FixtureRequest, edge: LocalOperations, tmp_path: Path
) -> Iterator[Operations]:
    """The same operations in each way that they are reached."""
    with reached(edge, request.param, tmp_path / "admin.sock") as operations:
        yield operations


def refusal(edge: Operations, directory: Path, **more: object) -> AdminError:
    with pytest.raises(AdminError) as raised:
        deploy(edge, directory, **more)
    return raised.value


def left_running(directory: Path) -> list[str]:
    """Command lines of processes that work in a directory, or below it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = os.readlink(f"/proc/{pid}/cwd")
            said = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if where.startswith(str(directory)) and said:
            found.append(said)
    return found


def kept(tmp_path: Path) -> list[str]:
    """The code in the data directory."""
    root = tmp_path / "data" / "code"
    return [path.name for path in root.iterdir() if path.is_dir() and len(path.name) == 64]


def test_code_is_deployed_listed_and_downloaded_as_it_was_sent(
    operations: Operations, tmp_path: Path
) -> None:
    directory = python_project(tmp_path / "project", description="Greets")
    (directory / "node_modules").mkdir()
    (directory / "node_modules" / "big").write_text("x")
    (directory / "run.sh").write_text("#!/bin/sh\n")
    (directory / "run.sh").chmod(0o755)
    result = deploy(operations, directory)
    assert (result.first, result.changed, result.warnings) == (True, True, ())
    assert [tool.name for tool in result.tools] == ["hello"]
    info = operations.function("fn")
    assert info.run is not None
    assert (info.run.command, info.run.state) == (("python3", "server.py"), "stopped")
    (made,) = operations.deployments("fn")
    assert made.code == info.code is not None
    out = tmp_path / "out.tar.gz"
    downloaded = operations.download_code("fn", made.id, out)
    assert (downloaded.id, downloaded.bytes) == (made.id, out.stat().st_size)
    with tarfile.open(out) as tar:
        members = {member.name: member for member in tar}
        said = tar.extractfile("jelou.json")
        assert said is not None
        assert json.load(said) == json.loads((directory / "jelou.json").read_text())
    assert sorted(members) == ["jelou.json", "run.sh", "server.py"]
    assert members["run.sh"].mode & 0o100
    assert not left_running(tmp_path)


def test_an_archive_over_the_limits_is_refused_wherever_it_comes_from(
    operations: Operations, tmp_path: Path
) -> None:
    sent = tmp_path / "sent.tar"
    with tarfile.open(sent, "w") as tar:
        for number in range(2001):
            tar.addfile(tarfile.TarInfo(f"f{number}"))
    with pytest.raises(AdminError) as raised:
        operations.put_code(sent)
    assert raised.value.code == "INPUT_ERROR"
    assert "2,001 files; 2,000 is the most (code_files)" in raised.value.message


def test_a_body_over_the_limit_is_refused_before_it_has_all_come(
    edge: LocalOperations, tmp_path: Path
) -> None:
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        token = edge.create_access("laptop").token
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        connection.putrequest("PUT", "/v1/code")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Length", str(10**12))
        connection.endheaders()
        sent = 0
        try:
            while sent < 100_000_000:
                sent += connection.sock.send(b"\0" * 1_000_000)
        except OSError:
            pass  # it has been told to stop
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
    assert answer.status == 413
    assert "code_size" in body["error"]["message"]


def test_only_a_good_access_token_may_send_code(edge: LocalOperations, tmp_path: Path) -> None:
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        connection.request("PUT", "/v1/code", body=b"x", headers={"Authorization": "Bearer no"})
        assert connection.getresponse().status == 401
        connection.close()
    assert not (tmp_path / "data" / "code").exists()


def test_code_that_was_not_sent_is_asked_for(edge: LocalOperations) -> None:
    text = json.dumps({"function": "fn", "command": ["python3", "server.py"]})
    for code, said in ((None, "was not sent"), ("0" * 64, "send it again")):
        with pytest.raises(AdminError, match=said):
            edge.deploy(DeployRequest(project=text, code=code))


@pytest.mark.parametrize("make", [python_project, node_project, defined_project])
def test_equal_files_are_unchanged_and_others_are_not(
    edge: LocalOperations, tmp_path: Path, make: Callable[..., Path]
) -> None:
    directory = make(tmp_path / "project")
    first, again = deploy(edge, directory), deploy(edge, directory)
    assert (again.changed, again.id, again.token) == (False, first.id, None)
    make(directory, "two")
    other = deploy(edge, directory)
    assert other.changed
    assert other.id != first.id
    assert not left_running(tmp_path)


def test_a_changed_project_file_alone_builds_nothing_anew(
    edge: LocalOperations, tmp_path: Path
) -> None:
    build = ["sh", "-c", f"echo built >> {tmp_path}/count"]
    directory = python_project(tmp_path / "project", build=build)
    deploy(edge, directory)
    python_project(directory, build=build, description="new")
    assert deploy(edge, directory).changed
    assert (tmp_path / "count").read_text() == "built\n"


def test_what_the_code_declares_counts_under_the_project_file(
    edge: LocalOperations, tmp_path: Path
) -> None:
    directory = defined_project(tmp_path / "project", config={"timeout": 1234})
    result = deploy(edge, directory)
    assert [tool.name for tool in result.tools] == ["greet"]
    info = edge.function("fn")
    assert (info.public, info.description) == (True, "Greets")
    assert result.project == json.loads((directory / "jelou.json").read_text())
    files = edge.download("fn", str(result.id))
    assert json.loads(files.project) == result.project
    live = edge._registry.function("fn")  # what workers read
    assert live is not None
    config = live.live.project.config
    assert (config.timeout, [cron.expression for cron in config.cron]) == (1234, ["0 9 * * *"])


def test_what_the_code_declares_is_checked_too(edge: LocalOperations, tmp_path: Path) -> None:
    directory = defined_project(tmp_path / "project")
    text = (directory / "index.py").read_text()
    (directory / "index.py").write_text(text.replace("0 9 * * *", "0 99 * * *"))
    error = refusal(edge, directory)
    assert error.code == "VALIDATION_ERROR"
    assert "99" in error.message
    assert edge.functions() == ()


CRASHES = {
    "a module that is missing": ("import no_such_module", "No module named 'no_such_module'"),
    "an exit": ("import sys; print('no database'); sys.exit(3)", "exit status 3"),
    "a signal": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_start_that_fails_says_why_and_leaves_what_was_live(
    edge: LocalOperations, tmp_path: Path, crash: str
) -> None:
    directory = python_project(tmp_path / "project")
    first = deploy(edge, directory)
    code, said = CRASHES[crash]
    (directory / "server.py").write_text(code)
    error = refusal(edge, directory)
    assert error.code == "VALIDATION_ERROR"
    assert "fn does not start" in error.message
    assert said in error.message
    assert edge.function("fn").deployment == first.id
    assert len(kept(tmp_path)) == 1
    assert not left_running(tmp_path)


def test_a_start_that_hangs_is_given_up(tmp_path: Path) -> None:
    with store(tmp_path / "data", start_timeout=0.5) as edge:
        directory = project(
            tmp_path / "project",
            {"server.py": "import time; print('thinking', flush=True); time.sleep(60)"},
            command=["python3", "server.py"],
        )
        assert "thinking" in refusal(edge, directory).message
        assert edge.functions() == ()
    assert not left_running(tmp_path)


def test_a_failing_build_is_told_and_nothing_is_live(
    operations: Operations, tmp_path: Path
) -> None:
    build = ["sh", "-c", "echo compiling; echo oh no >&2; exit 7"]
    error = refusal(operations, python_project(tmp_path / "project", build=build))
    assert error.code == "VALIDATION_ERROR"
    assert error.message == (
        "fn cannot be deployed: The build failed (exit status 7):\n  compiling\n  oh no"
    )
    assert operations.functions() == ()
    assert kept(tmp_path) == []


def test_a_dry_run_tries_everything_and_writes_nothing(
    edge: LocalOperations, tmp_path: Path
) -> None:
    directory = python_project(tmp_path / "project", build=["touch", f"{tmp_path}/built"])
    result = deploy(edge, directory, dry_run=True)
    assert (result.id, result.first, [tool.name for tool in result.tools]) == (
        None,
        True,
        ["hello"],
    )
    assert (tmp_path / "built").exists()
    assert edge.functions() == ()
    assert kept(tmp_path) == []
    (directory / "server.py").write_text("1/0")
    assert "ZeroDivisionError" in refusal(edge, directory, dry_run=True).message


def test_a_trial_has_the_secrets_of_the_function(edge: LocalOperations, tmp_path: Path) -> None:
    directory = python_project(tmp_path / "project")
    text = (directory / "server.py").read_text()
    (directory / "server.py").write_text(f"import os\nassert os.environ['KEY'] == 'v'\n{text}")
    assert "KeyError: 'KEY'" in refusal(edge, directory).message
    edge.set_secrets("fn", {"KEY": "v"})
    assert deploy(edge, directory).changed


def test_a_rollback_starts_what_it_goes_back_to(edge: LocalOperations, tmp_path: Path) -> None:
    directory = python_project(tmp_path / "project")
    first = deploy(edge, directory)
    python_project(directory, "two")
    deploy(edge, directory)
    back = edge.rollback("fn")
    assert (back.id, back.warnings) == (first.id, ())
    assert back.code is not None
    assert edge.function("fn").deployment == first.id


def test_a_rollback_to_what_does_not_start_any_more_changes_nothing(
    edge: LocalOperations, tmp_path: Path
) -> None:
    directory = project(
        tmp_path / "project",
        {"server.py": f"open('{tmp_path}/needed')\n" + PYTHON_SERVER},
        command=["python3", "server.py"],
    )
    (tmp_path / "needed").touch()
    deploy(edge, directory)
    python_project(directory, "two")
    second = deploy(edge, directory)
    (tmp_path / "needed").unlink()
    with pytest.raises(AdminError, match="FileNotFoundError"):
        edge.rollback("fn")
    assert edge.function("fn").deployment == second.id


PYTHON_SERVER = (
    "import http.server, os\n"
    "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])),"
    " http.server.SimpleHTTPRequestHandler).serve_forever()\n"
)


def test_old_deploys_go_with_their_code_but_never_what_a_rollback_needs(tmp_path: Path) -> None:
    with store(tmp_path / "data", deployments_kept=1) as edge:
        directory = tmp_path / "project"
        made = [str(deploy(edge, python_project(directory, str(n))).id) for n in range(4)]
        assert [one.id for one in edge.deployments("fn")] == made[:0:-1]
        assert len(kept(tmp_path)) == 3
        edge.rollback("fn", made[1])
        made.append(str(deploy(edge, python_project(directory, "4")).id))
        left = {one.id for one in edge.deployments("fn")}
        assert {made[1], made[4]} < left
        assert edge.rollback("fn").id == made[1]
        edge.delete_function("fn")
        assert kept(tmp_path) == []


def test_a_function_may_go_from_an_upstream_to_code(edge: LocalOperations, tmp_path: Path) -> None:
    text = json.dumps({"function": "fn", "upstream": "http://127.0.0.1:9", "openapi": False})
    edge.deploy(DeployRequest(project=text))
    assert edge.function("fn").run is None
    assert deploy(edge, python_project(tmp_path / "project")).changed
    assert edge.function("fn").run is not None
    edge.rollback("fn")
    assert edge.function("fn").upstream == ("http://127.0.0.1:9",)


def test_what_the_edge_does_not_run_has_no_code_to_download(
    operations: Operations, tmp_path: Path
) -> None:
    text = json.dumps({"function": "fn", "upstream": "http://127.0.0.1:9", "openapi": False})
    made = operations.deploy(DeployRequest(project=text))
    with pytest.raises(AdminError) as raised:
        operations.download_code("fn", str(made.id), tmp_path / "x")
    assert raised.value.code == "NOT_FOUND"


def test_the_document_of_code_is_not_looked_for_again(
    edge: LocalOperations, tmp_path: Path
) -> None:
    directory = node_project(tmp_path / "project", config={"mcp": False})
    deploy(edge, directory)
    now = iter(range(0, 10**9, 10**6))
    assert edge.refresh_documents(lambda: float(next(now))) == ()
    assert len(edge.deployments("fn")) == 1
