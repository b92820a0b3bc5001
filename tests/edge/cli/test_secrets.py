"""`jelou secrets`: the documented lines, and never a value in anything that is shown."""

import json
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.edge.cli.conftest import ROOT, Cli

VALUE = "hunter2-correct-horse"


@pytest.fixture
def deployed(cli: Cli, project: Path) -> None:
    """my-function, deployed."""
    assert cli("deploy").code == 0


def test_set_counts_what_it_set(cli: Cli, deployed: None) -> None:
    outcome = cli("secrets", "set", "my-function", f"A={VALUE}", "B=2")
    assert (outcome.code, outcome.out, outcome.err) == (0, "✓ Set 2 secrets\n", "")
    assert cli("secrets", "set", "my-function", "A=x=y").out == "✓ Set 1 secret\n"


def test_the_longer_spelling_is_the_same(cli: Cli, deployed: None) -> None:
    assert cli("functions", "secrets", "set", "my-function", "A=1").code == 0
    assert [s["name"] for s in cli("functions", "secrets", "list", "my-function", "--json").data]


def test_the_list_has_names_and_times_alone(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", f"B={VALUE}", "A=1")
    header, first, second = cli("secrets", "list", "my-function").out.splitlines()
    assert header.split() == ["▸", "Name", "Updated"]
    assert (first.split()[1], second.split()[1]) == ("A", "B")
    (a, b) = cli("secrets", "list", "my-function", "--json").data
    assert (a.keys(), b["name"]) == ({"name", "updated"}, "B")


def test_a_file_is_set_whole(cli: Cli, deployed: None) -> None:
    (cli.directory / ".env").write_text(f"# mine\nA={VALUE}\nexport B='2'\n")
    assert cli("secrets", "set", "my-function", "--from-env", ".env", "C=3").out == (
        "✓ Set 3 secrets\n"
    )
    assert cli("secrets", "set", "my-function", "--from-env", "-", stdin="D=4").code == 0
    names = [secret["name"] for secret in cli("secrets", "list", "my-function", "--json").data]
    assert names == ["A", "B", "C", "D"]


def test_delete_asks_first(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", "A=1")
    assert cli("secrets", "delete", "my-function", "A").code == 1
    outcome = cli("secrets", "delete", "my-function", "A", "-y")
    assert (outcome.code, outcome.out) == (0, "✓ Deleted secret\n")
    gone = cli("secrets", "delete", "my-function", "A", "-y", "--json")
    assert (gone.code, gone.error["code"]) == (1, "NOT_FOUND")


def test_secrets_may_come_before_the_function(cli: Cli, project: Path) -> None:
    cli("deploy")
    outcome = cli("secrets", "set", "to-come", "A=1")
    assert outcome.out.splitlines() == [
        "✓ Set 1 secret",
        "▸ to-come is not deployed yet; its first deploy gets them",
    ]
    assert cli("secrets", "list", "nowhere", "--json").error["code"] == "NOT_FOUND"


def test_secrets_go_with_their_function(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", "A=1")
    cli("functions", "delete", "my-function", "-y")
    cli("deploy")
    assert cli("secrets", "list", "my-function", "--json").data == []


def test_a_new_key_seals_what_is_there(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", "A=1", "B=2")
    path = Path(cli.environ["JELOU_DATA_DIR"]) / "secret-keys.json"
    before = json.loads(path.read_text())
    assert cli("secrets", "rotate-key").out == "✓ Rotated the key; 2 sealed anew\n"
    after = json.loads(path.read_text())
    assert [key["kid"] for key in after[1:]] == [key["kid"] for key in before]
    assert cli("secrets", "rotate-key", "--edge", "https://edge.example").code == 1


WRONG = [
    ("a=" + VALUE, "VALIDATION_ERROR"),
    ("__FN_X=" + VALUE, "VALIDATION_ERROR"),
    ("LD_PRELOAD=" + VALUE, "VALIDATION_ERROR"),
    ("A=" + VALUE * 10_000, "VALIDATION_ERROR"),
    ("KEY_ALONE", "INPUT_ERROR"),
]


@pytest.mark.parametrize(("pair", "code"), WRONG)
def test_what_is_refused_is_not_repeated(cli: Cli, deployed: None, pair: str, code: str) -> None:
    outcome = cli("secrets", "set", "my-function", pair, "--json")
    assert outcome.error["code"] == code
    assert VALUE not in outcome.out + outcome.err


def test_nothing_to_set_is_an_error_where_nobody_can_be_asked(cli: Cli, deployed: None) -> None:
    assert "--from-env" in cli("secrets", "set", "my-function").err


def test_someone_at_a_terminal_is_asked_and_the_value_does_not_show(
    cli: Cli, deployed: None
) -> None:
    shown = conversation(cli, [("Key", "A"), ("Value of A", VALUE), ("Key", "")])
    assert "✓ Set 1 secret" in shown
    assert VALUE not in shown
    assert [s["name"] for s in cli("secrets", "list", "my-function", "--json").data] == ["A"]


def conversation(cli: Cli, answers: list[tuple[str, str]]) -> str:
    """What a terminal shows where each question is answered as it comes."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cli.directory)
        command = [sys.executable, "-m", "edge.cli.main", "secrets", "set", "my-function"]
        environ = {**cli.environ, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        os.execve(sys.executable, command, {**environ, "NO_COLOR": "1"})
    shown = ""
    for question, answer in [*answers, ("secret", "")]:
        asked = ""
        while question not in asked:
            asked += os.read(terminal, 4096).decode()
        shown += asked
        os.write(terminal, f"{answer}\n".encode())
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown


def with_header(cli: Cli, value: str) -> None:
    path = cli.directory / "jelou.json"
    found = json.loads(path.read_text())
    url = found["upstream"] if isinstance(found["upstream"], str) else found["upstream"]["url"]
    found["upstream"] = {"url": url, "headers": {"Authorization": value}}
    path.write_text(json.dumps(found))


def test_a_deploy_that_names_a_missing_secret_says_how_to_set_it(cli: Cli, project: Path) -> None:
    with_header(cli, "secret:TOKEN")
    outcome = cli("deploy")
    assert outcome.code == 1
    assert "jelou secrets set my-function TOKEN=…" in outcome.err


def test_a_secret_that_what_is_live_needs_can_be_replaced_but_not_deleted(
    cli: Cli, deployed: None
) -> None:
    cli("secrets", "set", "my-function", f"TOKEN=Bearer {VALUE}")
    with_header(cli, "secret:TOKEN")
    assert cli("deploy").code == 0
    refused = cli("secrets", "delete", "my-function", "TOKEN", "-y")
    assert (refused.code, "deploy it without" in refused.err) == (1, True)
    assert cli("secrets", "set", "my-function", "TOKEN=Bearer 2").code == 0
    unfit = cli("secrets", "set", "my-function", f"TOKEN={VALUE}\r\nX-Admin: 1")
    assert (unfit.code, VALUE in unfit.err) == (1, False)


def test_a_rollback_to_what_needs_a_deleted_secret_is_refused(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", "TOKEN=1")
    with_header(cli, "secret:TOKEN")
    needs = cli("deploy", "--json").data["id"]
    with_header(cli, "plain")
    live = cli("deploy", "--json").data["id"]
    cli("secrets", "delete", "my-function", "TOKEN", "-y")
    assert cli("rollback", "my-function", needs).code == 1
    assert cli("functions", "info", "my-function", "--json").data["deployment"] == live


def test_no_download_holds_a_value(cli: Cli, deployed: None) -> None:
    cli("secrets", "set", "my-function", f"TOKEN={VALUE}")
    with_header(cli, "secret:TOKEN")
    made = cli("deploy", "--json")
    data = cli("deployments", "download", "my-function", made.data["id"], "--json")
    assert '"secret:TOKEN"' in json.dumps(data.data).replace("\\", "")
    stored = b"".join(file.read_bytes() for file in Path(cli.environ["JELOU_DATA_DIR"]).iterdir())
    for text in (made.out, made.err, data.out, cli("functions", "info", "my-function").out):
        assert VALUE not in text
    assert VALUE.encode() not in stored
