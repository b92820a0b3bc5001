"""`jelou backup` and `jelou restore` as they are typed: questions, refusals, what is left."""

import os
import stat
from pathlib import Path

import pytest

from edge.cli.context import Session
from edge.cli.main import run
from tests.support.mounts import small_disk
from tokens.database import Database


class Typed:
    """Commands on a store of their own."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = tmp_path / "data"
        self._capsys = capsys
        self._environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        Database.open(self.data, create=True).close()

    def __call__(self, *words: str, where: tuple[str, ...] | None = None) -> tuple[int, str]:
        """The exit code and all that was said."""
        place = ("--data-dir", str(self.data)) if where is None else where
        code = run([*words, *place], Session(self._environ))
        said = self._capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(tmp_path, capsys)


def test_a_backup_is_its_owners_alone_and_replaces_another_only_when_told_to(
    typed: Typed, tmp_path: Path
) -> None:
    file = tmp_path / "edge.tar"
    before = os.umask(0)
    try:
        code, said = typed("backup", str(file))
    finally:
        os.umask(before)
    assert (code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    assert "keys and secrets" in said
    content = file.read_bytes()
    typed("access", "create", "--name", "laptop")
    code, said = typed("backup", str(file))
    assert (code, file.read_bytes()) == (1, content)
    assert "-y" in said
    assert typed("backup", str(file), "-y")[0] == 0
    assert file.read_bytes() != content


def test_a_store_is_replaced_only_when_told_to(typed: Typed, tmp_path: Path) -> None:
    file = str(tmp_path / "edge.tar")
    typed("backup", file)
    typed("access", "create", "--name", "laptop")
    code, said = typed("restore", file)
    assert code == 1
    assert "Replace what is in" in said
    assert "laptop" in typed("access", "list")[1]
    code, said = typed("restore", file, "-y")
    assert code == 0
    assert "Gone, as made since: 1 token" in said
    assert "laptop" in said
    assert "laptop" not in typed("access", "list")[1]


def test_both_are_done_on_the_edges_own_machine(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "edge.tar").touch()
    for command in ("backup", "restore"):
        code, said = typed(
            command, str(tmp_path / "edge.tar"), "-y", where=("--edge", "https://edge.example")
        )
        assert code == 1
        assert "own machine" in said


def test_a_file_that_cannot_be_had_is_named(typed: Typed, tmp_path: Path) -> None:
    code, said = typed("backup", str(tmp_path / "nowhere" / "edge.tar"))
    assert code == 1
    assert "nowhere" in said
    assert "data-dir" not in said
    code, said = typed("restore", str(tmp_path / "none.tar"))
    assert code == 1
    assert "There is no backup" in said


def test_a_backup_for_which_there_is_no_room_leaves_nothing(typed: Typed, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 65536) as disk:
        code, said = typed("backup", str(disk / "edge.tar"))
        assert code == 1
        assert "disk is full" in said or "No space left" in said
        assert list(disk.iterdir()) == []
