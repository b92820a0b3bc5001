"""A store that cannot be written, read or opened: what callers and managers see, and for how long.

Each test goes through the fault to the end: nothing that was acknowledged is lost, and once the
fault is over the edge works again by itself, or by the command that its error names.
"""

import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.admin.errors import AdminError
from tests.support.edge import EDGE_READY, isolated, jelou
from tests.support.mounts import fill, read_only, small_disk
from tests.support.processes import JELOU, run, started
from tests.support.whole_edge import Caller, Edge, serve_command, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, is_alive
from tokens.database import FILE, Database

SLUG = "shop"
HELLO = f"/{SLUG}/hello"
HOUR = 3600.0


def refused(edge: Edge, name: str) -> AdminError:
    """The error of a token that cannot be made."""
    with pytest.raises(AdminError) as raised:
        edge.operations.create_token(SLUG, name)
    return raised.value


def can_create(edge: Edge, name: str) -> bool:
    try:
        return bool(edge.operations.create_token(SLUG, name).token)
    except AdminError:
        return False


def test_a_full_disk_costs_writers_an_error_and_callers_nothing(
    tmp_path: Path, origin: Function
) -> None:
    with small_disk(tmp_path / "disk", 8_000_000) as disk, serving(disk / "data") as edge:
        token = edge.deploy(SLUG, origin.url).token
        cold = edge.operations.create_token(SLUG, "never used")
        filler = fill(disk)
        said = refused(edge, "while full")
        assert (said.code, "disk is" in said.message) == ("API_ERROR", True)
        with pytest.raises(AdminError):
            edge.operations.revoke_token(SLUG, "never used")  # not acknowledged, so not done
        caller = edge.caller()
        for secret, status in ((token, 200), (cold.token, 200), (None, 401)):
            assert caller.ask(HELLO, secret).status == status
        filler.unlink()
        assert edge.operations.revoke_token(SLUG, "never used").id == cold.id
        assert caller.ask(HELLO, cold.token).status == 401
        names = {info.name for info in edge.operations.tokens(SLUG)}
        assert names == {"default"}
        assert can_create(edge, "while full")


@pytest.mark.slow
def test_an_edge_killed_on_a_full_disk_serves_on_when_it_is_started_again(
    tmp_path: Path, origin: Function
) -> None:
    with small_disk(tmp_path / "disk", 8_000_000) as disk:
        with serving(disk / "data") as edge:
            token = edge.deploy(SLUG, origin.url).token
            filler = fill(disk)
            workers = edge.workers
            for pid in (edge.pid, *workers):
                os.kill(pid, signal.SIGKILL)
            edge.program.process.wait(10)
            eventually(lambda: not any(map(is_alive, workers)), "the workers have ended")
        with serving(disk / "data") as edge:
            assert edge.caller().ask(HELLO, token).status == 200
            assert "disk is" in refused(edge, "while full").message
            filler.unlink()
            assert can_create(edge, "while full")


@pytest.mark.slow
def test_an_edge_that_cannot_start_on_a_full_disk_says_so_and_starts_once_there_is_room(
    tmp_path: Path, origin: Function
) -> None:
    with small_disk(tmp_path / "disk", 8_000_000) as disk:
        with serving(disk / "data") as edge:
            token = edge.deploy(SLUG, origin.url).token
        filler = fill(disk)
        done = run(serve_command(disk / "data"), env=isolated(disk / "data"))
        assert done.returncode == 1
        assert "disk is" in done.stderr
        assert "Traceback" not in done.stderr
        filler.unlink()
        with serving(disk / "data") as edge:
            assert edge.caller().ask(HELLO, token).status == 200


@pytest.mark.slow
def test_a_read_only_disk_is_named_and_nothing_on_it_changes(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data") as edge:
        token = edge.deploy(SLUG, origin.url).token
    before = (tmp_path / "data" / FILE).read_bytes()
    with read_only(tmp_path / "data", tmp_path / "closed") as closed:
        for command in (
            serve_command(closed),
            [*JELOU, "tokens", "list", "--data-dir", str(closed)],
        ):
            done = run(command, env=isolated(tmp_path / "data"))
            assert done.returncode == 1
            assert str(closed) in done.stderr
            assert "--data-dir" in done.stderr
            assert "Traceback" not in done.stderr
    assert (tmp_path / "data" / FILE).read_bytes() == before
    with serving(tmp_path / "data") as edge:
        assert edge.caller().ask(HELLO, token).status == 200


@pytest.mark.slow
def test_a_store_locked_for_ten_seconds_is_normal_again_at_once(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        cold = edge.operations.create_token(SLUG, "never used").token
        holder = sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        errors: list[str] = []

        def manage() -> None:
            errors.extend(refused(edge, f"locked {number}").code for number in range(2))

        manager = threading.Thread(target=manage)
        manager.start()
        caller, answers = edge.caller(), set()
        while time.monotonic() - begun < 10:
            answers.add(caller.ask(HELLO, token).status)
            answers.add(caller.ask(HELLO, cold).status)
            time.sleep(0.05)
        manager.join(20)
        holder.execute("ROLLBACK")
        holder.close()
        assert answers == {200}
        assert errors == ["TRANSIENT_ERROR"] * 2
        assert can_create(edge, "locked 0")


@pytest.mark.slow
def test_a_store_that_is_damaged_while_it_is_served_is_never_believed_and_a_backup_ends_that(
    tmp_path: Path, origin: Function
) -> None:
    data_dir, backup = tmp_path / "data", tmp_path / "backup.tar"
    with serving(data_dir) as edge:
        token = edge.deploy(SLUG, origin.url).token
        revoked = edge.operations.create_token(SLUG, "revoked")
        cold = [edge.operations.create_token(SLUG, f"t{number}").token for number in range(40)]
        jelou(data_dir, "backup", str(backup))
        edge.operations.revoke_token(SLUG, "revoked")
        assert edge.caller().ask(HELLO, token).status == 200
        damage(data_dir)
        statuses = {edge.caller().ask(HELLO, each).status for each in (*cold, revoked.token)}
        assert statuses <= {200, 401, 503}  # 200 for what is still in a page that was read before
        assert edge.caller().ask(HELLO, revoked.token).status in {401, 503}
    done = run(serve_command(data_dir), env=isolated(data_dir))
    assert done.returncode == 1
    assert "jelou restore" in done.stderr
    restored = jelou(data_dir, "restore", str(backup), "-y")
    assert restored["functions"] == 1
    with serving(data_dir) as edge:
        assert edge.caller().ask(HELLO, token).status == 200
        assert edge.caller().ask(HELLO, cold[0]).status == 200


def damage(data_dir: Path) -> None:
    """Have the file hold nothing but noise behind its first page, and no log."""
    folding = sqlite3.connect(data_dir / FILE)
    folding.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    folding.close()
    size = (data_dir / FILE).stat().st_size
    with (data_dir / FILE).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_out_of_descriptors_new_callers_wait_and_the_others_go_on(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    limited = ["prlimit", "--nofile=96:96", *serve_command(data_dir)]
    with started(limited, EDGE_READY, env=isolated(data_dir)) as program:
        edge = Edge(program, data_dir)
        token = edge.deploy(SLUG, origin.url).token
        caller = edge.caller()
        assert caller.ask(HELLO, token).status == 200
        idle = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(150)]
        assert {caller.ask(HELLO, token).status for _ in range(20)} == {200}
        for connection in idle:
            connection.close()

        def is_served() -> bool:
            with suppress(ConnectionError), closing(Caller(edge.port)) as fresh:
                return fresh.ask(HELLO, token).status == 200
            return False

        eventually(is_served, "new callers are served again")
        assert can_create(edge, "afterwards")
        caller.close()


@pytest.mark.slow
@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])
def test_a_clock_that_jumps_by_an_hour_revives_nothing(
    tmp_path: Path, origin: Function, jump: float
) -> None:
    """The jump is that of one process of the edge: what one has acted upon, all go by."""
    with serving(tmp_path / "data", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        short = edge.operations.create_token(SLUG, "short", expires_in=HOUR / 2).token
        long = edge.operations.create_token(SLUG, "long", expires_in=2 * HOUR).token
        jumped = Database.open(tmp_path / "data", wall_clock=lambda: time.time() + jump)
        with jumped.write() as write:
            write.changed("function", SLUG)
        jumped.close()
        expected = {token: 200, short: 401 if jump > 0 else 200, long: 200}
        for _ in range(2):  # the second time with every clock as it was
            with edge.caller_of_each_worker() as callers:
                for caller in callers.values():
                    found = {secret: caller.ask(HELLO, secret).status for secret in expected}
                    assert found == expected
        made = edge.operations.create_token(SLUG, "later", expires_in=60)
        assert edge.caller().ask(HELLO, made.token).status == 200
