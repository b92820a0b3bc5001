"""What an edge knows survives its end: on the same data directory it goes on where it was."""

import os
import time
from pathlib import Path

import pytest

from tests.support.edge import jelou
from tests.support.whole_edge import UNAUTHORIZED, Edge, serving
from tests.support.whole_function import Function
from tokens.database import Database
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

SLUG = "shop"
MCP = f"/{SLUG}/mcp"
HOUR = 3600.0


def stop(edge: Edge) -> None:
    """End an edge in good order."""
    edge.program.process.terminate()
    assert edge.program.process.wait(20) == 0


@pytest.mark.slow
def test_functions_tokens_and_sessions_survive_a_restart(tmp_path: Path, origin: Function) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        deployed = edge.deploy(SLUG, origin.url)
        narrow = edge.operations.create_token(SLUG, "narrow", scopes=("mcp",))
        revoked = edge.operations.create_token(SLUG, "revoked")
        edge.operations.revoke_token(SLUG, revoked.id)
        session = edge.caller().open_session(MCP, deployed.token or "")
        ended = edge.caller().open_session(MCP, narrow.token)
        headers = {"Mcp-Session-Id": ended}
        assert edge.caller().ask(MCP, narrow.token, method="DELETE", headers=headers).status < 300
        stop(edge)
    with serving(data_dir, workers=2) as edge, edge.caller_of_each_worker() as callers:
        for caller in callers.values():
            assert caller.ask(f"/{SLUG}/hello", deployed.token).status == 200
            assert caller.ask(f"/{SLUG}/hello", narrow.token).status == 403
            assert caller.ask(f"/{SLUG}/hello", revoked.token).body == UNAUTHORIZED
            assert caller.rpc(MCP, deployed.token, "tools/list", session).status == 200
            assert caller.rpc(MCP, narrow.token, "tools/list", ended).status == 404
        assert edge.operations.function(SLUG).deployment == deployed.id
        assert not edge.deploy(SLUG, origin.url).changed


@pytest.mark.slow
def test_last_use_is_in_the_store_after_a_stop(tmp_path: Path, origin: Function) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        used = edge.deploy(SLUG, origin.url).token
        edge.operations.create_token(SLUG, "idle")
        assert edge.caller().ask(f"/{SLUG}/hello", used).status == 200
        stop(edge)
    last_used = {t["name"]: t["lastUsed"] for t in jelou(data_dir, "tokens", "list", SLUG)}
    assert last_used["default"] is not None
    assert last_used["idle"] is None


@pytest.mark.slow
@pytest.mark.parametrize("what_is_lost", [[], ["generation"]], ids=["nothing", "the mapped copy"])
def test_an_expired_token_stays_expired_though_the_clock_is_set_back(
    tmp_path: Path, origin: Function, what_is_lost: list[str]
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        edge.deploy(SLUG, origin.url)
        short = edge.operations.create_token(SLUG, "short", expires_in=HOUR / 2)
        long = edge.operations.create_token(SLUG, "long", expires_in=HOUR * 24)
        assert edge.caller().ask(f"/{SLUG}/hello", short.token).status == 200
        stop(edge)
    ahead = Database.open(data_dir, wall_clock=lambda: time.time() + HOUR)
    TokenService(SqliteTokens(ahead), ahead.clock, os.urandom).create(SLUG, "made an hour later")
    ahead.close()
    for name in what_is_lost:
        (data_dir / name).unlink()
    with serving(data_dir) as edge:
        assert edge.caller().ask(f"/{SLUG}/hello", short.token).status == 401
        assert edge.caller().ask(f"/{SLUG}/hello", long.token).status == 200


def test_what_was_acknowledged_is_there_after_a_crash_of_everything(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        edge.deploy(SLUG, origin.url)
        made = [edge.operations.create_token(SLUG, f"made-{n}").token for n in range(20)]
        gone = edge.operations.create_token(SLUG, "gone")
        edge.operations.revoke_token(SLUG, gone.id)
        [worker] = edge.workers
        edge.program.process.kill()
        os.kill(worker, 9)
    with serving(data_dir) as edge:
        caller = edge.caller()
        assert {caller.ask(f"/{SLUG}/hello", token).status for token in made} == {200}
        assert caller.ask(f"/{SLUG}/hello", gone.token).status == 401
