"""`jelou deploy` of a project that the edge runs, without an edge, and what else shows it."""

import tarfile
from pathlib import Path

import pytest

from tests.edge.cli.conftest import Cli
from tests.support.code_projects import python_project


@pytest.fixture
def code(cli: Cli) -> Path:
    """A project with a Python HTTP server in the working directory."""
    (cli.directory / "sub").mkdir()
    (cli.directory / "sub" / "data.bin").write_bytes(b"x" * 1234)
    return python_project(cli.directory)


def test_the_files_are_named_and_the_code_is_tried_without_an_edge(cli: Cli, code: Path) -> None:
    outcome = cli("deploy")
    assert outcome.code == 0, outcome.err
    first, *rest = outcome.out.splitlines()
    size = (code / "server.py").stat().st_size
    assert first.startswith(f"▸ Files: server.py ({size} B), sub/data.bin (1.2 KB), jelou.json (")
    assert rest[0] == "✓ Deployed"
    assert rest[-1] == "⚠ No edge is running; start it with: jelou serve"
    again = cli("deploy", "--json")
    assert again.data["changed"] is False
    shown = cli("functions", "info", "fn").out
    assert "▸ Runs           python3 server.py" in shown
    assert "▸ State          stopped: no edge is running" in shown


def test_someone_at_a_terminal_sees_the_files_and_is_asked(cli: Cli, code: Path) -> None:
    shown = cli.terminal("deploy", answer="n\n")
    assert "▸ Files: server.py" in shown
    assert "? Deploy fn? (Y/n)" in shown
    assert "Nothing was deployed" in shown
    assert cli("functions", "list", "--json").data == []


def test_a_dry_run_leaves_no_store_behind(cli: Cli, code: Path) -> None:
    outcome = cli("deploy", "--dry-run")
    assert "✓ Dry run: everything is in order, nothing was deployed" in outcome.out
    assert not list(cli.directory.glob("**/edge.db"))


def test_why_code_does_not_start_is_told(cli: Cli, code: Path) -> None:
    (code / "server.py").write_text("import nothing_like_it")
    outcome = cli("deploy")
    assert outcome.code == 1
    assert "✗ fn does not start: It ended with exit status 1" in outcome.err
    assert "No module named 'nothing_like_it'" in outcome.err


def test_a_project_over_a_limit_of_this_edge_is_told_before_it_is_sent(
    cli: Cli, code: Path
) -> None:
    cli.environ["JELOU_CODE_SIZE"] = "1500"
    outcome = cli("deploy")
    assert outcome.code == 1
    assert "1.5 KB is the most (code_size)" in outcome.err
    assert "sub/ (1.2 KB)" in outcome.err


def test_an_entrypoint_of_another_language_names_command(cli: Cli) -> None:
    (cli.directory / "index.ts").write_text("")
    (cli.directory / "jelou.json").write_text('{"function": "fn", "entrypoint": "index.ts"}')
    outcome = cli("deploy")
    assert outcome.code == 1
    assert '"command": ["node", "index.ts"]' in outcome.err


def test_a_deployment_is_downloaded_as_one_file_and_replaces_none(cli: Cli, code: Path) -> None:
    made = cli("deploy", "--json").data["id"]
    outcome = cli("deployments", "download", "fn", made)
    assert outcome.out == f"✓ Wrote fn-{made}.tar.gz\n"
    with tarfile.open(cli.directory / f"fn-{made}.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["jelou.json", "server.py", "sub/data.bin"]
    again = cli("deployments", "download", "fn", made)
    assert again.code == 1
    assert "exists already" in again.err
    assert cli("deployments", "download", "fn", made, "-o", "x.tgz").code == 0
    assert not list(cli.directory.glob("*.part"))
    assert "run by the edge" in cli("deployments", "info", "fn", made).out


def test_a_rollback_of_code_does_not_say_that_code_stays(cli: Cli, code: Path) -> None:
    first = cli("deploy", "--json").data["id"]
    python_project(code, "two")
    cli("deploy")
    outcome = cli("rollback", "fn")
    assert outcome.out.splitlines()[0] == f"✓ Rolled back to {first}"
    assert "runs elsewhere" not in outcome.out
