"""Who functions run as, and what that keeps them from; as root alone can tell, on root's own."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.running.users import FIRST, MANY, NoSuchUser, User, can_read, user_of
from tests.support.runner import ask, python, running

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away processes")
TRIES = """
from served import *
def tried(path):
    try:
        return open(path).read()
    except OSError as error:
        return f"{os.getuid()} {os.getgid()} {os.getgroups()} {error.strerror}"
serve(listen(), tried)
"""


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A data directory that other users get past."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@AS_ROOT
def test_a_function_runs_as_a_user_of_its_own_and_cannot_read_the_store(reachable: Path) -> None:
    with running(reachable) as edge, edge.worker() as worker:
        command = ["/usr/bin/python3", "main.py"] if Path("/usr/bin/python3").exists() else python()
        deployment = edge.store.deploy_source(TRIES, command=command)
        opened(reachable)
        up = worker.wake(deployment)
        said = [ask(up.address, str(path)) for path in secret_files(reachable)]
        processes = edge.client.status("one").processes
    assert len(said) > 2
    user = user_of("auto", "one", [])
    assert user is not None
    assert set(said) == {f"{user.uid} {user.gid} [] Permission denied"}
    assert processes[0].processes == 1


def opened(data_dir: Path) -> None:
    """Let everybody read the code, as a deploy lets the function's user."""
    for path in [data_dir / "code", *(data_dir / "code").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def secret_files(data_dir: Path) -> list[Path]:
    """All files of the edge but the code."""
    return [p for p in data_dir.iterdir() if p.is_file() or p.is_socket()]


@AS_ROOT
def test_two_functions_have_different_users_from_the_range_of_dynamic_ones() -> None:
    first, second = user_of("auto", "one", []), user_of("auto", "two", [])
    assert first is not None
    assert second is not None
    assert first.uid != second.uid
    assert all(FIRST <= user.uid < FIRST + MANY for user in (first, second))


@AS_ROOT
def test_code_that_its_own_user_cannot_reach_is_run_as_the_edges_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert user_of("auto", "one", [tmp_path]) is None


@AS_ROOT
def test_a_named_user_is_taken() -> None:
    nobody = pwd.getpwnam("nobody")
    assert user_of("nobody", "one", []) == User(nobody.pw_uid, nobody.pw_gid, is_own=False)


def test_same_is_the_edges_own_user() -> None:
    assert user_of("same", "one", []) is None
    assert user_of(pwd.getpwuid(os.geteuid()).pw_name, "one", []) is None


def test_an_unknown_user_is_said() -> None:
    with pytest.raises(NoSuchUser, match="no user nobody-here"):
        user_of("nobody-here", "one", [])


@pytest.mark.parametrize(
    ("mode", "user", "may"),
    [
        (0o755, User(1, 1, is_own=True), True),
        (0o750, User(1, 1, is_own=True), False),
        (0o751, User(1, 1, is_own=True), False),
        (0o705, User(1, os.getegid(), is_own=True), False),
        (0o750, User(1, os.getegid(), is_own=True), True),
    ],
)
def test_modes_decide_who_may_read(reachable: Path, mode: int, user: User, may: bool) -> None:
    directory = reachable / "code"
    directory.mkdir()
    directory.chmod(mode)
    assert can_read(directory, user) is may
