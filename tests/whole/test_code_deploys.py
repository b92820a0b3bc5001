"""Code deployed to a running edge, as its author sees it."""

import signal
import threading
from pathlib import Path

import pytest

from edge.admin.errors import AdminError
from tests.support.code_projects import deploy, node_project, python_project
from tests.support.edge import isolated
from tests.support.processes import JELOU, started
from tests.support.whole_edge import Edge, serving
from tests.support.whole_processes import eventually

OPEN = {"public": True}


@pytest.mark.slow
def test_projects_named_at_start_may_be_code_in_any_language(tmp_path: Path) -> None:
    python = python_project(tmp_path / "python", function="snake", config=OPEN)
    node = node_project(tmp_path / "node", function="node", config=OPEN)
    flags = ("--project", str(python), "--project", str(node))
    with serving(tmp_path / "data", *flags, workers=2) as edge:
        eventually(lambda: edge.program.output().count("✓ Deployed") == 2, "both are deployed")
        for slug in ("snake", "node"):
            told = edge.caller().ask(f"/{slug}/").json
            assert told["version"] == "one"
            assert told["deployment"] == edge.operations.function(slug).deployment


def test_a_deploy_that_follows_shows_the_functions_log(shared_edge: Edge, tmp_path: Path) -> None:
    edge = shared_edge
    directory = python_project(tmp_path / "project", config=OPEN)
    text = (
        (directory / "server.py")
        .read_text()
        .replace("        pass\n", "        print('asked', flush=True)\n")
    )
    (directory / "server.py").write_text(text)
    command = [*JELOU, "deploy", str(directory), "--follow", "--data-dir", str(edge.data_dir)]
    with started(command, "Streaming logs for", env=isolated(edge.data_dir)) as program:
        assert "✓ Deployed" in program.output()
        edge.caller().ask("/fn/")
        eventually(lambda: "asked" in program.output(), "the log is shown")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(10) == 0


@pytest.mark.slow
def test_deploys_at_the_same_time_leave_one_of_them_live_and_whole(tmp_path: Path) -> None:
    projects = [
        python_project(tmp_path / f"p{number}", str(number), config=OPEN, build=["sleep", "0.2"])
        for number in range(4)
    ]
    with serving(tmp_path / "data", workers=2) as edge:
        threads = [
            threading.Thread(target=deploy, args=(edge.operations, project)) for project in projects
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        live = edge.operations.function("fn").deployment
        assert edge.caller().ask("/fn/").json["deployment"] == live
        assert len(edge.operations.deployments("fn")) == 4


def test_a_deploy_that_fails_leaves_the_live_one_answering(
    shared_edge: Edge, tmp_path: Path
) -> None:
    edge = shared_edge
    directory = python_project(tmp_path / "project", config=OPEN)
    deploy(edge.operations, directory)
    caller = edge.caller()
    before = caller.ask("/fn/").json
    for breakage in ("1/0", "import time; time.sleep(0.3); raise SystemExit('no')"):
        (directory / "server.py").write_text(breakage)
        with pytest.raises(AdminError, match="does not start"):
            deploy(edge.operations, directory)
        assert caller.ask("/fn/").json == before
    assert before["version"] == "one"
