"""Which edge a command acts on, logins, access tokens, and that a token reaches one edge only."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.admin.api import AdminApi
from edge.admin.local import LocalOperations
from tests.edge.cli.conftest import Cli
from tests.support.asgi_server import on_tcp, on_unix
from tests.support.documents_origin import origin
from tests.support.operations import store


@pytest.fixture
def remote_edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "elsewhere", public_url="https://remote.example") as opened:
        yield opened


@pytest.fixture
def remote(remote_edge: LocalOperations) -> Iterator[str]:
    """The URL of an edge elsewhere."""
    with on_tcp(AdminApi(remote_edge, remote_edge.authenticate)) as url:
        yield url


@pytest.fixture
def token(remote_edge: LocalOperations) -> str:
    return remote_edge.create_access("laptop").token


def credentials(cli: Cli) -> Path:
    return Path(cli.environ["XDG_CONFIG_HOME"]) / "jelou-edge" / "credentials.json"


def test_login_keeps_the_token_for_its_edge_alone(cli: Cli, remote: str, token: str) -> None:
    outcome = cli("login", "--edge", remote, stdin=f"{token}\n")
    assert (outcome.code, outcome.out, outcome.err) == (0, '✓ Saved as profile "default"\n', "")
    path = credentials(cli)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert json.loads(path.read_text())["profiles"]["default"]["edge"] == remote
    with origin() as other:
        refused = cli("functions", "list", "--edge", other.url, "--json")
        assert refused.error["code"] == "MISSING_AUTH"
        assert other.requests == []


def test_a_bad_token_is_not_kept(cli: Cli, remote: str) -> None:
    outcome = cli("login", "--edge", remote, "--json", stdin="jfn_pat_nonsense\n")
    assert (outcome.code, outcome.error["code"]) == (1, "AUTH_ERROR")
    assert not credentials(cli).exists()
    assert cli("login", "--edge", remote, "--json").error["code"] == "MISSING_AUTH"
    assert cli("login").code == 2


def test_the_active_login_counts_until_another_edge_is_named(
    cli: Cli, remote: str, token: str, project: Path
) -> None:
    here = cli.environ.pop("JELOU_DATA_DIR")
    cli("login", "--edge", remote, "--profile", "work", stdin=token)
    assert cli("whoami", "--json").data == {
        "type": "access_token",
        "name": "laptop",
        "edge": "https://remote.example",
        "profile": "work",
    }
    cli("deploy", "--data-dir", here)
    assert cli("functions", "list", "--json").data == []
    assert len(cli("functions", "list", "--json", "--data-dir", here).data) == 1
    assert cli("whoami", "--json", "--data-dir", here).data["type"] == "local"
    cli.environ["JELOU_DATA_DIR"] = here
    assert cli("whoami", "--json").data["type"] == "local"
    assert cli("whoami", "--json", "--profile", "work").data["profile"] == "work"
    assert cli("whoami", "--json", "--edge", remote).data["profile"] == "work"


def test_the_environments_token_is_for_the_environments_edge(
    cli: Cli, remote: str, token: str
) -> None:
    cli.environ.update(JELOU_TOKEN=token, JELOU_EDGE=remote)
    assert cli("whoami", "--json").data["name"] == "laptop"
    with origin() as other:
        error = cli("whoami", "--json", "--edge", other.url).error
        assert error["code"] == "MISSING_AUTH"
        assert other.requests == []
        cli.environ["JELOU_EDGE"] = other.url
        assert cli("whoami", "--json", "--edge", remote).error["code"] == "MISSING_AUTH"


def test_login_takes_the_environments_token(cli: Cli, remote: str, token: str) -> None:
    cli.environ.update(JELOU_TOKEN=token, JELOU_EDGE=f"{remote}/")
    assert cli("login").code == 0
    assert token in credentials(cli).read_text()


def test_a_deploy_elsewhere_sends_the_project(
    cli: Cli, remote: str, token: str, project: Path, remote_edge: LocalOperations
) -> None:
    cli("login", "--edge", remote, stdin=token)
    outcome = cli("deploy", "--edge", remote)
    assert outcome.code == 0
    assert "▸ URL: https://remote.example/my-function\n" in outcome.out
    assert remote_edge.function("my-function").slug == "my-function"


def test_a_revoked_access_token_is_told(
    cli: Cli, remote: str, token: str, remote_edge: LocalOperations
) -> None:
    cli("login", "--edge", remote, stdin=token)
    remote_edge.revoke_access("laptop")
    error = cli("functions", "list", "--edge", remote, "--json").error
    assert error["code"] == "AUTH_ERROR"
    assert token not in json.dumps(error)


def test_logins_are_listed_switched_and_removed(
    cli: Cli, remote: str, token: str, remote_edge: LocalOperations
) -> None:
    del cli.environ["JELOU_DATA_DIR"]
    for name in ("one", "two"):
        cli("login", "--edge", remote, "--profile", name, stdin=token)
    listed = cli("auth", "list")
    assert token not in listed.out
    assert listed.out.splitlines()[2].endswith("yes")
    assert cli("auth", "switch", "one").out.startswith('✓ Switched to profile "one"')
    active = [row["profile"] for row in cli("auth", "list", "--json").data if row["active"]]
    assert active == ["one"]
    assert cli("auth", "switch", "three", "--json").error["code"] == "NOT_FOUND"
    assert cli("auth", "remove", "two", "-y").code == 0
    assert cli("logout").out == "✓ Logged out\n"
    assert cli("auth", "list", "--json").data == []
    assert cli("logout", "--json").error["code"] == "NOT_FOUND"


def test_a_credentials_file_that_others_can_read_is_refused(
    cli: Cli, remote: str, token: str
) -> None:
    cli("login", "--edge", remote, stdin=token)
    credentials(cli).chmod(0o644)
    assert "chmod 600" in cli("auth", "list").err
    credentials(cli).chmod(0o600)
    credentials(cli).write_text("{")
    assert "is damaged" in cli("auth", "list").err


@pytest.mark.parametrize("url", ["http://edge.example", "https://u:p@edge.example", "nonsense"])
def test_an_edge_that_would_leak_the_token_is_refused(cli: Cli, url: str) -> None:
    outcome = cli("login", "--edge", url, "--json", stdin="jfn_pat_x")
    assert (outcome.code, outcome.error["code"]) == (1, "INPUT_ERROR")


def test_access_tokens_are_made_listed_and_ended(cli: Cli, project: Path) -> None:
    cli("deploy")
    made = cli("access", "create", "--name", "laptop")
    first, second, third = made.out.splitlines()
    assert first == '✓ Created access token "laptop"'
    assert second.startswith("▸ Token    jfn_pat_")
    assert third == "⚠ Save this token now — it will not be shown again."
    (row,) = cli("access", "list", "--json").data
    assert row.keys() == {"id", "name", "lastUsed", "created", "expires", "scopes"}
    assert cli("access", "create", "--name", "laptop").code == 1
    assert cli("access", "revoke", "laptop").code == 1
    assert cli("access", "revoke", "laptop", "-y").out == "✓ Access token revoked\n"
    assert cli("access", "list", "--json").data == []


def test_access_tokens_cannot_be_made_from_elsewhere(cli: Cli, remote: str, token: str) -> None:
    cli("login", "--edge", remote, stdin=token)
    error = cli("access", "create", "--name", "more", "--edge", remote, "--json").error
    assert error["code"] == "FORBIDDEN"


def test_a_running_edge_is_asked_through_its_socket(
    cli: Cli, tmp_path: Path, remote_edge: LocalOperations
) -> None:
    """The socket answers for another store, so that one sees who was asked."""
    directory = Path(cli.environ["JELOU_DATA_DIR"])
    directory.mkdir()
    with on_unix(AdminApi(remote_edge), directory / "admin.sock"):
        assert cli("whoami", "--json").data["edge"] == "https://remote.example"
        assert cli("functions", "list", "--json").data == []
        assert cli("access", "create", "--name", "laptop").code == 0
    assert not (directory / "edge.db").exists()
    assert [info.name for info in remote_edge.access_tokens()] == ["laptop"]


def test_a_socket_left_behind_is_passed_over(cli: Cli, project: Path, tmp_path: Path) -> None:
    cli("deploy")
    with on_unix(AdminApi(object()), tmp_path / "data" / "admin.sock"):  # type: ignore[arg-type]
        pass
    assert (tmp_path / "data" / "admin.sock").exists()
    assert len(cli("functions", "list", "--json").data) == 1


def test_a_token_for_deploys_deploys_from_elsewhere_and_reads_nothing(
    cli: Cli, remote: str, remote_edge: LocalOperations, project: Path
) -> None:
    made = remote_edge.create_access("ci", scopes=("deploy",))
    cli.environ |= {"JELOU_EDGE": remote, "JELOU_TOKEN": made.token}
    assert cli("deploy", "--json").data["first"] is True
    assert cli("deploy", "--json").data["changed"] is False
    assert cli("whoami", "--json").data["name"] == "ci"
    for words in (("functions", "list"), ("tokens", "list"), ("audit",)):
        assert cli(*words, "--json").error["code"] == "FORBIDDEN"


def test_the_audit_trail_is_read_from_elsewhere(
    cli: Cli, remote: str, remote_edge: LocalOperations
) -> None:
    made = remote_edge.create_access("auditor", scopes=("audit",))
    cli.environ |= {"JELOU_EDGE": remote, "JELOU_TOKEN": made.token}
    remote_edge.create_token("*", "wide")
    assert cli("audit", "*", "--json").data[0]["name"] == "wide"
    verdict = cli("audit", "--verify", "--json").data
    assert verdict["intact"] is True
    assert cli("deploy", "http://127.0.0.1:9", "--json").error["code"] == "FORBIDDEN"


def test_an_access_token_is_limited_by_options(cli: Cli, project: Path) -> None:
    cli("deploy")
    words = ("access", "create", "--name", "ci", "--scope", "read", "--scope", "deploy")
    made = cli(*words, "--expires", "90d", "--json").data
    assert made["scopes"] == ["read", "deploy"]
    assert made["expires"] is not None
    assert "read deploy" in cli("access", "list").out
    assert "Unknown scope" in cli("access", "create", "--name", "x", "--scope", "nope").err
