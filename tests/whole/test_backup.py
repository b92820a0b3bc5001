"""A backup of an edge at work, put back: callers and MCP clients go on, the revoked stay out."""

from pathlib import Path

import pytest

from tests.support.edge import isolated, jelou
from tests.support.processes import JELOU, run
from tests.support.whole_edge import UNAUTHORIZED, serving
from tests.support.whole_function import Function

SLUG = "shop"
HELLO, MCP = f"/{SLUG}/hello", f"/{SLUG}/mcp"


@pytest.mark.slow
def test_an_edge_goes_on_from_a_backup_and_revives_nothing(
    tmp_path: Path, origin: Function
) -> None:
    data_dir, backup = tmp_path / "data", tmp_path / "backup.tar"
    with serving(data_dir) as edge:
        token = edge.deploy(SLUG, origin.url).token
        assert token is not None
        revoked = edge.operations.create_token(SLUG, "revoked")
        session = edge.caller().open_session(MCP, token)
        jelou(data_dir, "backup", str(backup))
        edge.operations.revoke_token(SLUG, revoked.id)
        late = edge.operations.create_token(SLUG, "late")
        command = [*JELOU, "restore", str(backup), "-y", "--data-dir", str(data_dir)]
        refused = run(command, env=isolated(data_dir))
        assert refused.returncode == 1
        assert "An edge runs" in refused.stderr
        assert edge.caller().ask(HELLO, late.token).status == 200
    restored = jelou(data_dir, "restore", str(backup), "-y")
    assert (restored["revoked"], restored["revived"]) == (1, [])
    assert [gone["name"] for gone in restored["gone"]] == ["late"]
    with serving(data_dir, workers=2) as edge, edge.caller_of_each_worker() as callers:
        for caller in callers.values():
            assert caller.ask(HELLO, token).status == 200
            assert caller.rpc(MCP, token, "tools/list", session).status == 200
            for ended in (revoked.token, late.token):
                answer = caller.ask(HELLO, ended)
                assert (answer.status, answer.body) == (401, UNAUTHORIZED)
