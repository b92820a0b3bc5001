"""The audit trail of a running edge: every worker, the command line, the API, deploys at start."""

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from edge.admin.client import HttpTransport, RemoteOperations, UnixTransport
from edge.admin.errors import AdminError
from edge.audit.actor import local_user
from tests.support.documents_origin import free_port
from tests.support.edge import jelou
from tests.support.whole_edge import project, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually
from tokens.database import FILE

SLUG = "shop"
KILLS = 6


def records(data_dir: Path, *words: str) -> list[Any]:
    """What `jelou audit` shows, oldest first."""
    return list(reversed(jelou(data_dir, "audit", "--limit", "1000", *words)))


@pytest.mark.slow
def test_changes_from_every_side_make_one_trail(tmp_path: Path, origin: Function) -> None:
    data_dir, at_start = tmp_path / "data", tmp_path / "first"
    at_start.mkdir()
    (at_start / "jelou.json").write_text(project("first", origin.url))
    admin = f"127.0.0.1:{free_port()}"
    flags = ("--admin", admin, "--project", str(at_start))
    with serving(data_dir, *flags, workers=2) as edge:
        eventually(edge.operations.functions, "the project is deployed at start")
        (tmp_path / "jelou.json").write_text(project(SLUG, origin.url))
        jelou(data_dir, "deploy", str(tmp_path))
        laptop = jelou(data_dir, "access", "create", "--name", "laptop")
        remote = RemoteOperations(HttpTransport(f"http://{admin}", laptop["token"]))
        ended = remote.create_token(SLUG, "elsewhere")
        for number in range(8):  # over several connections, so that both workers write
            remote.set_secrets(SLUG, {f"S{number}": "x"})
        remote.revoke_token(SLUG, ended.id)
        with edge.caller_of_each_worker() as callers:
            for caller in callers.values():
                for _ in range(3):
                    assert caller.ask(f"/{SLUG}/hello", ended.token).status == 401
        eventually(
            lambda: [r for r in records(data_dir) if r["event"] == "token.refused"],
            "the use of a revoked token is recorded",
        )
        verdict = jelou(data_dir, "audit", "--verify")
        found = records(data_dir)
    assert verdict["intact"], verdict
    told = [(r["event"], r["function"], r["actor"], r["address"]) for r in found]
    user = local_user()
    for expected in (
        ("deployment.created", "first", user, "local"),
        ("deployment.created", SLUG, user, "local"),
        ("access.created", None, user, "local"),
        ("access.login", None, "laptop", "127.0.0.1"),
        ("token.created", SLUG, "laptop", "127.0.0.1"),
        ("token.revoked", SLUG, "laptop", "127.0.0.1"),
    ):
        assert told.count(expected) == 1, expected
    assert told.count(("secret.set", SLUG, "laptop", "127.0.0.1")) == 8
    (refused,) = [r for r in found if r["event"] == "token.refused"]
    assert (refused["subject"], refused["name"]) == (ended.id, "elsewhere")
    assert (refused["address"], refused["detail"]) == ("127.0.0.1", {"reason": "revoked"})
    assert ended.token[8:30] not in json.dumps(found)


def fail(stranger: RemoteOperations, times: int) -> None:
    """Fail to log in."""
    for _ in range(times):
        with suppress(AdminError):
            stranger.info()


@pytest.mark.slow
def test_failed_logins_of_many_are_one_record(tmp_path: Path) -> None:
    data_dir, admin = tmp_path / "data", f"127.0.0.1:{free_port()}"
    with serving(data_dir, "--admin", admin) as edge:
        stranger = RemoteOperations(HttpTransport(f"http://{admin}", "jfn_pat_wrong"))
        fail(stranger, 40)
        eventually(edge.operations.audit, "the failures are recorded")
        fail(stranger, 20)
    found = records(data_dir)
    assert {r["event"] for r in found} == {"access.refused"}
    assert sum(r["detail"]["failures"] for r in found) == 60
    assert len(found) <= 3  # what there was when it was looked, and the rest at the end
    assert list(found[0]["detail"]["addresses"]) == ["127.0.0.1"]


@pytest.mark.slow
def test_what_is_acknowledged_is_recorded_whatever_is_killed(
    tmp_path: Path, origin: Function
) -> None:
    """And what is not recorded has not happened: tokens and records are the same set."""
    data_dir = tmp_path / "data"
    acknowledged: list[str] = []
    over = threading.Event()

    def manage() -> None:
        operations = RemoteOperations(UnixTransport(data_dir / "admin.sock"))
        for number in count():
            if over.is_set():
                return
            with suppress(AdminError):
                acknowledged.append(operations.create_token(SLUG, f"n{number}").id)

    with serving(data_dir, workers=2) as edge:
        edge.deploy(SLUG, origin.url)
        thread = threading.Thread(target=manage)
        thread.start()
        for number in range(KILLS):
            before, made = edge.workers, len(acknowledged)
            eventually(lambda made=made: len(acknowledged) > made, "a token is made")
            os.kill(before[number % 2], signal.SIGKILL)
            eventually(
                lambda before=before: len(set(edge.workers) - set(before)) == 1,
                "the worker is replaced",
            )
        over.set()
        thread.join(20)
    verdict = jelou(data_dir, "audit", "--verify")
    assert verdict["intact"], verdict
    with closing(sqlite3.connect(data_dir / FILE)) as connection:
        kept = {id_ for (id_,) in connection.execute("SELECT id FROM tokens")}
        texts = [json.loads(text) for (text,) in connection.execute("SELECT record FROM audit")]
    recorded = [text["subject"] for text in texts if text["event"] == "token.created"]
    assert set(acknowledged) <= kept
    assert sorted(recorded) == sorted(kept)
