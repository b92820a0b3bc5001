"""An edge that cannot start says why and what to change, and has destroyed nothing."""

import os
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support.edge import isolated
from tests.support.processes import JELOU, run
from tests.support.whole_edge import serve_command, serving
from tests.support.whole_function import Function

AS_ANYONE = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Runs a program of root's without root's right to pass over file modes."""


def refused(data_dir: Path, *flags: str, before: tuple[str, ...] = ()) -> str:
    """Start an edge that cannot start; what it says."""
    done = run([*before, *serve_command(data_dir, *flags)], env=isolated(data_dir))
    assert done.returncode == 1, done
    assert "Edge ready" not in done.stdout
    assert "Traceback" not in done.stderr
    assert "replaced" not in done.stderr
    return done.stderr


def says(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on a store, which has something to say of it."""
    command = [*JELOU, *arguments, "--data-dir", str(data_dir), "--no-input"]
    return run(command, env=isolated(data_dir))


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(tmp_path / "data", "--bind", address)
    assert address in said
    assert "--bind" in said


def test_a_second_edge_on_a_data_directory_is_refused_and_the_first_goes_on(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        token = edge.deploy("shop", origin.url).token
        said = refused(data_dir)
        assert "Another edge" in said
        assert str(data_dir) in said
        assert "cannot be bound" in refused(tmp_path / "other", "--bind", f"127.0.0.1:{edge.port}")
        assert edge.caller().ask("/shop/hello", token).status == 200
        assert edge.operations.info().functions == 1


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"This is no database.\n" * 100, id="garbage"),
        pytest.param(
            lambda whole: whole[: len(whole) // 3], id="truncated", marks=pytest.mark.slow
        ),
    ],
)
def test_a_damaged_store_is_named_and_left_as_it_is(
    tmp_path: Path, origin: Function, damage: "type[bytes]"
) -> None:
    data_dir, store = tmp_path / "data", tmp_path / "data" / "edge.db"
    with serving(data_dir) as edge:
        edge.deploy("shop", origin.url)
    fold(store)
    damaged = damage(store.read_bytes())
    store.write_bytes(damaged)
    said = refused(data_dir)
    assert str(store) in said
    assert "damaged" in said
    assert "backup" in said
    command = says(data_dir, "tokens", "list")
    assert command.returncode == 1
    assert "damaged" in command.stderr
    assert store.read_bytes() == damaged


def fold(store: Path) -> None:
    """Have everything in the file itself, rather than in its log."""
    connection = sqlite3.connect(store)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root may write everywhere, and there is no setpriv here to give that up",
)
def test_a_data_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    before = AS_ANYONE if os.geteuid() == 0 else ()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for data_dir in (closed, closed / "data"):
        said = refused(data_dir, before=before)
        assert str(data_dir) in said
        assert "ermission denied" in said
        assert "--data-dir" in said
    assert list(closed.iterdir()) == []


def test_a_file_in_place_of_the_data_directory_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "data"
    in_the_way.write_text("mine")
    assert str(in_the_way) in refused(in_the_way)
    assert in_the_way.read_text() == "mine"


@pytest.mark.slow
def test_a_store_held_by_another_program_is_named(tmp_path: Path, origin: Function) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as edge:
        token = edge.deploy("shop", origin.url).token
    holder = sqlite3.connect(data_dir / "edge.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    assert "locked" in refused(data_dir)
    command = says(data_dir, "tokens", "create", "shop", "--name", "late")
    assert command.returncode == 1
    assert "locked" in command.stderr
    holder.close()
    with serving(data_dir) as edge:
        assert edge.caller().ask("/shop/hello", token).status == 200
