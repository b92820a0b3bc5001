"""`jelou tokens`: the documented lines, and never a secret where none belongs."""

import re
import sqlite3
from pathlib import Path

import pytest

from edge.admin import local_tokens, token_operations
from tests.edge.cli.conftest import Cli

TOKEN = r"jfn_rt_[0-9A-Za-z]{38}"


@pytest.fixture
def deployed(cli: Cli, project: Path) -> str:
    """The token `default` of my-function."""
    return str(cli("deploy", "--json").data["token"])


def test_create_shows_the_token_once(cli: Cli, deployed: str) -> None:
    outcome = cli("tokens", "create", "my-function", "--name", "ci-deploy")
    expected = (
        rf'✓ Created token "ci-deploy"\n▸ Token    {TOKEN}\n'
        "⚠ Save this token now — it will not be shown again.\n"
    )
    assert re.fullmatch(expected, outcome.out), outcome.out
    assert (outcome.code, outcome.err) == (0, "")


def test_create_takes_scopes_expiry_and_rate(cli: Cli, deployed: str) -> None:
    data = cli(
        *("tokens", "create", "--name", "n", "--expires", "90d", "--rate", "100/m"),
        *("--scope", "mcp", "--scope", "route:GET /books/{id}", "--json"),
    ).data
    assert data["scopes"] == ["mcp", "route:GET /books/{id}"]
    assert data["rate"] == "100/m"
    assert data["function"] == "my-function"
    assert data["expires"][:4] > data["created"][:4] or data["expires"] > data["created"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data["created"])


def test_an_edge_wide_token_is_no_functions(cli: Cli, deployed: str) -> None:
    assert cli("tokens", "create", "--all", "--name", "wide", "--json").data["function"] == "*"
    assert cli("tokens", "create", "my-function", "--all", "--name", "x").code == 2
    assert [t["name"] for t in cli("tokens", "list", "*", "--json").data] == ["wide"]


def test_the_list_has_the_documented_columns(cli: Cli, deployed: str) -> None:
    cli("tokens", "create", "--name", "ci", "--expires", "1h")
    header, first, second = cli("tokens", "list", "my-function").out.splitlines()
    columns = ["Id", "Name", "Prefix", "Last Used", "Created", "Expires"]
    assert re.split(r"\s{3,}", header.removeprefix("▸ ")) == columns
    cells = re.split(r"\s{3,}", first.removeprefix("▸ "))
    assert re.fullmatch("tok_[0-9A-Za-z]+", cells[0])
    assert cells[1:4] == ["default", f"{deployed[:11]}..", "never"]
    assert re.fullmatch(r"\d+/\d+/\d{4}, \d+:\d\d:\d\d [AP]M", cells[4])
    assert cells[5] == "never"
    assert "ci" in second
    assert not second.endswith("never")


def test_the_list_as_json_is_an_array_without_secrets(cli: Cli, deployed: str) -> None:
    outcome = cli("tokens", "list", "--json")
    (token,) = outcome.data
    assert token.keys() == {
        *("id", "function", "name", "prefix", "lastUsed"),
        *("created", "expires", "scopes", "rate"),
    }
    assert (token["lastUsed"], token["expires"], token["prefix"]) == (
        None,
        None,
        f"{deployed[:11]}..",
    )
    assert deployed not in outcome.out


def test_the_list_is_whole_however_many_there_are(
    cli: Cli, deployed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (token_operations, local_tokens):
        monkeypatch.setattr(module, "TOKENS_AT_ONCE", 2)
    for number in range(4):
        cli("tokens", "create", "--name", f"t{number}")
    names = ["default", "t0", "t1", "t2", "t3"]
    assert [token["name"] for token in cli("tokens", "list", "--json").data] == names
    assert cli("tokens", "revoke", "my-function", "t3", "-y").code == 0
    assert [token["name"] for token in cli("tokens", "list", "--json").data] == names[:-1]


def test_without_a_project_the_list_is_of_all_functions(
    cli: Cli, deployed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    header, row = cli("tokens", "list").out.splitlines()
    assert header.startswith("▸ Function")
    assert row.startswith("▸ my-function")


def test_revoke_asks_and_fails_where_nobody_can_be_asked(cli: Cli, deployed: str) -> None:
    outcome = cli("tokens", "revoke", "my-function", "default")
    assert outcome.code == 1
    assert f"Revoke token {deployed[:11]}... for my-function?" in outcome.err
    assert "-y" in outcome.err
    assert cli("tokens", "check", "-", stdin=deployed).code == 0


@pytest.mark.parametrize(("answer", "ended"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_revoke_at_a_terminal_does_what_is_answered(
    cli: Cli, deployed: str, answer: str, ended: bool
) -> None:
    shown = cli.terminal("tokens", "revoke", "my-function", "default", answer=answer)
    assert f"? Revoke token {deployed[:11]}... for my-function? (y/N) " in shown
    assert ("✓ Token revoked\n" in shown) is ended
    assert ("Nothing was done" in shown) is not ended
    assert cli("tokens", "check", "-", stdin=deployed).code == int(ended)


@pytest.mark.parametrize("flag", ["--no-input", "--json"])
def test_nobody_is_asked_who_said_not_to(cli: Cli, deployed: str, flag: str) -> None:
    shown = cli.terminal("tokens", "revoke", "my-function", "default", flag, answer="y\n")
    assert "pass -y for yes" in shown
    assert cli("tokens", "check", "-", stdin=deployed).code == 0


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_yes_is_accepted_in_any_place(cli: Cli, deployed: str, place: str) -> None:
    words = ["tokens", "revoke", "my-function", "default"]
    words.insert({"before": 0, "between": 1, "after": 4}[place], "-y")
    outcome = cli(*words)
    assert (outcome.code, outcome.out) == (0, "✓ Token revoked\n")
    assert cli("tokens", "list", "--json").data == []


@pytest.mark.parametrize("size", [12, 40, 45])
@pytest.mark.parametrize("command", [("tokens", "create", "--all"), ("access", "create")])
def test_no_piece_of_a_token_is_a_name(
    cli: Cli, deployed: str, command: tuple[str, ...], size: int
) -> None:
    outcome = cli(*command, "--name", deployed[:size], "--json")
    assert outcome.code != 0
    assert "holds a token or a piece of one" in outcome.error["message"]
    hint = cli(*command, "--name", f"after {deployed[:11]}", "--json")
    assert hint.data["name"] == f"after {deployed[:11]}"


def test_what_is_no_token_is_not_found(cli: Cli, deployed: str) -> None:
    for words in (["revoke", "my-function", "nope", "-y"], ["rotate", "my-function", "nope"]):
        outcome = cli("tokens", *words, "--json")
        assert (outcome.code, outcome.error["code"]) == (1, "NOT_FOUND")
    assert cli("tokens", "list", "nowhere", "--json").error["code"] == "NOT_FOUND"


def test_rotate_gives_a_new_secret_and_the_old_one_may_live_on(cli: Cli, deployed: str) -> None:
    outcome = cli("tokens", "rotate", "my-function", "default", "--overlap", "24h")
    assert re.search(rf"▸ Token    {TOKEN}\n", outcome.out)
    assert cli("tokens", "check", "-", stdin=deployed).code == 0
    names = [token["name"] for token in cli("tokens", "list", "--json").data]
    assert sorted(names) == ["default", "default~old"]
    cli("tokens", "rotate", "my-function", "default")
    assert len(cli("tokens", "list", "--json").data) <= 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda token: token, None),
        (lambda token: f" {token}\n", None),
        (lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"), "malformed"),
        (lambda _: "nonsense", "malformed"),
        (lambda _: "", "malformed"),
        (lambda _: "x" * 5000, "malformed"),
        (lambda _: "jfn_rt_" + "0" * 32 + "2Freyo", "unknown"),
    ],
)
def test_check_says_whether_and_why(cli: Cli, deployed: str, spoil: object, reason: object) -> None:
    outcome = cli("tokens", "check", "-", "--json", stdin=spoil(deployed))  # type: ignore[operator]
    assert (outcome.data["valid"], outcome.data["reason"]) == (reason is None, reason)
    assert outcome.code == (0 if reason is None else 1)


def test_check_knows_revoked_tokens_and_other_functions(cli: Cli, deployed: str) -> None:
    other = cli("tokens", "check", "-", "--function", "else", "--json", stdin=deployed)
    assert other.data["reason"] == "other_function"
    cli("tokens", "revoke", "my-function", "default", "-y")
    outcome = cli("tokens", "check", "-", stdin=deployed)
    assert (outcome.code, outcome.out.splitlines()[0]) == (
        1,
        "✗ The token has been revoked. It would be refused.",
    )


def test_a_token_is_never_taken_from_the_command_line(cli: Cli, deployed: str) -> None:
    outcome = cli("tokens", "check", deployed)
    assert outcome.code == 2
    assert deployed not in outcome.out + outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ["tokens", "create"],
        ["tokens", "create", "--name", "n", "--expires", "soon"],
        ["tokens", "revoke", "my-function"],
        ["tokens", "nope"],
        ["tokens", "list", "--nope"],
        ["nope"],
    ],
)
def test_what_is_not_understood_is_a_usage_error(cli: Cli, words: list[str]) -> None:
    outcome = cli(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert "--help" in outcome.err
    assert cli(*words, "--json").error["code"] == "INPUT_ERROR"


@pytest.mark.parametrize(
    "words",
    [
        ["tokens", "list", "x"],
        ["functions", "list"],
        ["functions", "info", "x"],
        ["deployments", "list", "x"],
        ["rollback", "x"],
        ["access", "list"],
        ["tokens", "create", "x", "--name", "n"],
        ["mcp", "config", "x", "--client", "cursor"],
    ],
)
def test_without_a_store_a_command_says_so_and_makes_none(
    cli: Cli, words: list[str], tmp_path: Path
) -> None:
    outcome = cli(*words)
    assert (outcome.code, outcome.out) == (1, "")
    assert "There is no store in" in outcome.err
    assert "jelou deploy" in outcome.err
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_locked_store_is_told(cli: Cli, deployed: str, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "data" / "edge.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        outcome = cli("tokens", "create", "--name", "n", "--json")
    finally:
        holder.close()
    assert outcome.code == 1
    assert outcome.error["code"] == "TRANSIENT_ERROR"
    assert outcome.error["retryable"] is True
