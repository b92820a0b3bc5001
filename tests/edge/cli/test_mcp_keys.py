"""`jelou mcp rotate-keys`: new keys that running workers take up, without ending a session."""

import json
import os
import stat
import time
from datetime import datetime
from pathlib import Path

import pytest

from edge.state.kept import session_keys
from mcp_bridge.session import open_session, sign, verify
from tests.edge.cli.conftest import Cli

FILES = ("mcp-session-keys.json", "mcp-sealing-keys.json")


def test_another_process_rotates_and_the_running_one_ends_no_session(
    cli: Cli, project: Path, tmp_path: Path
) -> None:
    cli("deploy")
    running = session_keys(tmp_path / "data", os.urandom)
    before = running.keys()[0]
    text = sign(open_session("f", "", "2025-11-25", time.time(), os.urandom), running.keys())
    outcome = cli.process("mcp", "rotate-keys")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("✓ Rotated the keys\n▸ File ")
    made = json.loads((tmp_path / "data" / FILES[0]).read_text())
    assert [key["kid"] for key in made][1:] == [before.kid]
    started_later = session_keys(tmp_path / "data", os.urandom)
    assert started_later.keys()[0] == before, "it signs only what the running one can verify"
    assert verify(text, started_later.keys(), function="f", lineage="", now=time.time())
    deadline = time.monotonic() + 5
    while len(running.keys()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert running.keys()[1].kid == made[0]["kid"]
    assert before.secret.hex() not in outcome.out + outcome.err


def test_json_names_each_file_and_no_secret(cli: Cli, project: Path, tmp_path: Path) -> None:
    cli("deploy")
    cli("mcp", "rotate-keys")
    outcome = cli("mcp", "rotate-keys", "--delay", "10m", "--json")
    assert [keys["file"] for keys in outcome.data] == list(FILES)
    for keys in outcome.data:
        held = json.loads((tmp_path / "data" / keys["file"]).read_text())
        assert (held[0]["kid"], len(held), keys["accepted"]) == (keys["kid"], 3, 3)
        used_from = datetime.fromisoformat(keys["usedFrom"]).timestamp()
        assert used_from == pytest.approx(held[0]["created"] + 600, abs=0.01)
        assert stat.S_IMODE((tmp_path / "data" / keys["file"]).stat().st_mode) == 0o600
        assert not [key for key in held if key["secret"] in outcome.out]


def test_keys_are_rotated_on_the_edges_own_machine_alone(cli: Cli, tmp_path: Path) -> None:
    absent = cli("mcp", "rotate-keys", "--json")
    assert (absent.code, absent.error["code"]) == (1, "NOT_FOUND")
    assert not (tmp_path / "data").exists()
    elsewhere = {"JELOU_EDGE": "https://edge.example", "JELOU_TOKEN": "jfn_pat_x"}
    cli.environ = {"HOME": cli.environ["HOME"], **elsewhere}
    assert cli("mcp", "rotate-keys", "--json").error["code"] == "FORBIDDEN"


def test_a_broken_file_is_told_and_left_alone(cli: Cli, project: Path, tmp_path: Path) -> None:
    cli("deploy")
    (tmp_path / "data" / FILES[0]).write_text("oops")
    outcome = cli("mcp", "rotate-keys")
    assert (outcome.code, outcome.out) == (1, "")
    assert "does not hold keys" in outcome.err
    assert (tmp_path / "data" / FILES[0]).read_text() == "oops"


@pytest.mark.slow
def test_an_edge_whose_keys_are_broken_does_not_start_and_says_why(
    cli: Cli, project: Path, tmp_path: Path
) -> None:
    cli("deploy")
    (tmp_path / "data" / FILES[0]).write_text("[]")
    outcome = cli.process("serve", "--bind", "127.0.0.1:0")
    assert outcome.code == 1
    assert f"{FILES[0]} cannot be used: it holds no key; restore it, or remove it" in outcome.err
    assert "Traceback" not in outcome.err
