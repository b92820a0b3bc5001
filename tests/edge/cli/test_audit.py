"""`jelou audit`: what a whole run of commands leaves, and what it never holds."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from edge.audit.record import EVENTS
from edge.audit.store import HEAD
from tests.edge.cli.conftest import Cli
from tokens.database import FILE

VALUE = "a-value-that-nobody-may-see"
TOKENS = re.compile(r"jfn_[a-z]+_[0-9A-Za-z]{12,}")


def opened(cli: Cli) -> "closing[sqlite3.Connection]":
    """The store, past the program."""
    return closing(sqlite3.connect(Path(cli.environ["JELOU_DATA_DIR"]) / FILE))


def test_a_whole_run_leaves_records_without_any_secret(cli: Cli, project: Path) -> None:
    """Tokens given in place of names and ids, too: they stand in no record."""
    shown = [cli("deploy", "--json").data["token"]]
    shown.append(cli("tokens", "create", "my-function", "--name", "ci", "--json").data["token"])
    shown.append(cli("tokens", "rotate", "my-function", "ci", "--json").data["token"])
    shown.append(cli("tokens", "create", "--all", "--name", "wide", "--json").data["token"])
    shown.append(cli("access", "create", "--name", "laptop", "--json").data["token"])
    secret = cli("functions", "rotate-secret", "my-function", "--json").data
    shown += [part for part in secret.values() if str(part).startswith("jfn_cs_")]
    (project / ".env").write_text(f"FILE_SECRET={VALUE}-2\n")
    for words in (
        ("secrets", "set", "my-function", f"API_KEY={VALUE}"),
        ("secrets", "set", "my-function", "--from-env", ".env"),
        ("secrets", "delete", "my-function", "API_KEY", "-y"),
        ("secrets", "rotate-key"),
        ("mcp", "rotate-keys"),
        ("mcp", "config", "my-function", "--client", "cursor", "--create-token", "editor"),
        ("functions", "info", "my-function", "--signing-secret"),
        ("tokens", "revoke", "my-function", "ci", "-y"),
        ("access", "revoke", "laptop", "-y"),
        ("functions", "delete", "my-function", "-y"),
    ):
        assert cli(*words).code == 0, words
    for token in shown:
        cli("tokens", "create", "--all", "--name", token)
        cli("tokens", "revoke", "my-function", token, "-y")
        cli("secrets", "set", "my-function", f"A={token}")
        cli("access", "create", "--name", token[:40])
    assert len(shown) == 6
    with opened(cli) as connection:
        texts = [text for (text,) in connection.execute("SELECT record FROM audit")]
    whole = "\n".join(texts)
    assert TOKENS.search(whole) is None
    assert VALUE not in whole
    for token in shown:
        assert token[8:28] not in whole
    events = {json.loads(text)["event"] for text in texts}
    assert events <= set(EVENTS)
    assert {"deployment.created", "secret.key_rotated", "mcp.keys_rotated"} <= events
    assert cli("audit", "--verify").code == 0


def test_the_newest_stand_last_with_who_and_what(cli: Cli, project: Path) -> None:
    cli("deploy")
    cli("tokens", "create", "my-function", "--name", "ci", "--scope", "mcp")
    head, *rows = cli("audit").out.splitlines()
    assert head.split()[1:4] == ["Number", "When", "Who"]
    assert [next(w for w in row.split() if "." in w) for row in rows] == [
        "deployment.created",
        "token.created",
        "token.created",
    ]
    assert rows[-1].split()[-2:] == ["ci", "scopes=mcp"]


def test_it_is_narrowed_by_function_time_and_number(cli: Cli, project: Path) -> None:
    cli("deploy")
    for number in range(5):
        cli("tokens", "create", "--all", "--name", f"n{number}")
    names = [row["name"] for row in cli("audit", "*", "--limit", "2", "--json").data]
    assert names == ["n4", "n3"]
    assert len(cli("audit", "my-function", "--since", "1h", "--json").data) == 2
    first = cli("audit", "--json").data[0]["number"]
    assert cli("audit", "--before", str(first), "--json").data[0]["number"] == first - 1
    assert cli("audit", "--limit", "0").code == 2
    assert cli("audit", "nowhere", "--json").data == []


def test_a_broken_trail_fails_and_names_the_record(cli: Cli, project: Path) -> None:
    cli("deploy")
    whole = cli("audit", "--verify", "--json").data
    assert (whole["intact"], whole["records"], whole["unsealed"]) == (True, 2, 0)
    with opened(cli) as connection:
        connection.execute("DELETE FROM audit WHERE number = 2")
        connection.commit()
    outcome = cli("audit", "--verify")
    assert outcome.code == 1
    assert "The audit trail is broken at record 2: rows up to 2" in outcome.err
    assert cli("audit", "--verify", "--json").error["code"] == "VALIDATION_ERROR"


def test_a_head_that_is_gone_is_said(cli: Cli, project: Path) -> None:
    cli("deploy")
    (Path(cli.environ["JELOU_DATA_DIR"]) / HEAD).unlink()
    outcome = cli("audit", "--verify")
    assert outcome.code == 0
    assert "⚠ The last 2 are not in the head file" in outcome.out


def test_where_there_is_no_store_it_says_so(cli: Cli) -> None:
    assert cli("audit", "--json").error["code"] == "NOT_FOUND"
