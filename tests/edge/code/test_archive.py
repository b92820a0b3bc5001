"""Archives of projects: equal for equal files, unpacked within bounds, hostile ones refused."""

import io
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.code import archive
from edge.code.collect import collect
from edge.code.limits import CodeError, Limits

WIDE = Limits(2000, 50_000_000)

NAMES = st.text("abcXYZ 0.é_-", min_size=1, max_size=8).filter(
    lambda name: not name.startswith(".") and not name.endswith(".pyc")
)
TREES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=300), st.booleans()), max_size=6)


def packed(project: Path, where: Path) -> Path:
    with where.open("wb") as file:
        archive.pack(project, collect(project, WIDE), file)
    return where


def written(root: Path, tree: dict[str, tuple[bytes, bool]], *, backwards: bool) -> Path:
    for name in sorted(tree, reverse=backwards):
        content, executable = tree[name]
        path = root / "sub" / name if len(name) % 2 else root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o640)
        os.utime(path, (len(name), 10_000 if backwards else 20_000))
    return root


@given(TREES)
def test_equal_trees_have_equal_digests_and_come_back_whole(
    tree: dict[str, tuple[bytes, bool]],
) -> None:
    with TemporaryDirectory() as name:
        top = Path(name)
        for side in ("one", "two", "out"):
            (top / side).mkdir()
        one = packed(written(top / "one", tree, backwards=False), top / "one.tar")
        two = packed(written(top / "two", tree, backwards=True), top / "two.tar")
        assert archive.digest(one) == archive.digest(two)
        archive.unpack(one, top / "out", WIDE)
        again = packed(top / "out", top / "again.tar")
        assert archive.digest(again) == archive.digest(one)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a").write_bytes(b"other"),
        lambda root: (root / "a").chmod(0o755),
        lambda root: (root / "a").rename(root / "b"),
        lambda root: (root / "c").write_bytes(b""),
        lambda root: (root / "c").symlink_to("a"),
    ],
)
def test_whatever_differs_changes_the_digest(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a").write_bytes(b"first")
    before = archive.digest(packed(project, tmp_path / "1.tar"))
    change(project)
    assert archive.digest(packed(project, tmp_path / "2.tar")) != before


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info.tobuf(tarfile.PAX_FORMAT) + b"\0" * (-(-size // 512) * 512)


END = b"\0" * 1024

ATTACKS = {
    "absolute": member("/etc/cron.d/x"),
    "parent": member("../x"),
    "parent inside": member("a/../../x"),
    "dot": member("./x"),
    "empty part": member("a//x"),
    "control character": member("a\nb"),
    "long": member("x" * 300),
    "link to /": member("a", tarfile.SYMTYPE, "/etc"),
    "link to ..": member("a", tarfile.SYMTYPE, "../x"),
    "link out from below": member("a/b", tarfile.SYMTYPE, "../../x"),
    "empty link": member("a", tarfile.SYMTYPE, ""),
    "link out through a link": member("s/t/x")
    + member("d", tarfile.SYMTYPE, "s")
    + member("s/u", tarfile.SYMTYPE, "..")
    + member("e", tarfile.SYMTYPE, "s/u/../x"),
    "hard link": member("a", tarfile.LNKTYPE, "/etc/passwd"),
    "device": member("a", tarfile.CHRTYPE),
    "block device": member("a", tarfile.BLKTYPE),
    "pipe": member("a", tarfile.FIFOTYPE),
    "sparse": member("a", tarfile.GNUTYPE_SPARSE),
    "twice": member("a") + member("a"),
    "file and directory": member("a") + member("a/b"),
    "file in place of a directory": member("a/b") + member("a"),
    "file through a link": member("d/x") + member("l", tarfile.SYMTYPE, "d") + member("l/y"),
    "a link in place of a file": member("a") + member("b") + member("b/c", tarfile.SYMTYPE, "a"),
    "broken off": member("a", size=5000)[:1024],
    "no archive": b"PK\x03\x04 this is something else entirely" * 20,
    "a damaged head": bytes([member("a")[0] ^ 1]) + member("a")[1:],
    "too many files": b"".join(member(f"f{n}") for n in range(11)),
    "too many directories": b"".join(member(f"d{n}", tarfile.DIRTYPE) for n in range(11)),
    "too large": member("a", size=2048),
    "too large together": member("a", size=600) + member("b", size=600),
    "a directory with content": member("a", tarfile.DIRTYPE, size=512),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(
    tmp_path: Path, attack: str
) -> None:
    sent, inside = tmp_path / "sent.tar", tmp_path / "in" / "side"
    sent.write_bytes(ATTACKS[attack] + END)
    inside.mkdir(parents=True)
    with pytest.raises(CodeError):
        archive.unpack(sent, inside, Limits(10, 1024))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "sent.tar"]
    assert [path.name for path in inside.parent.iterdir()] == ["side"]


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_no_bytes_do_anything_else(noise: bytes, cut: int) -> None:
    good = member("a", size=700) + member("b/c", size=10) + END
    place = len(noise) % len(good)
    with TemporaryDirectory() as name:
        sent, inside = Path(name) / "sent.tar", Path(name) / "in"
        inside.mkdir()
        sent.write_bytes(good[:place] + noise + good[place + cut * len(noise) :])
        with suppress(CodeError):
            archive.unpack(sent, inside, Limits(10, 4096))
        assert sorted(path.name for path in Path(name).iterdir()) == ["in", "sent.tar"]


def test_modes_are_plain_whatever_the_archive_says(tmp_path: Path) -> None:
    info = tarfile.TarInfo("run")
    info.mode, info.uid, info.size = 0o6777, 4242, 1
    sent, inside = tmp_path / "sent.tar", tmp_path / "in"
    inside.mkdir()
    with tarfile.open(sent, "w") as tar:
        tar.addfile(info, io.BytesIO(b"x"))
    archive.unpack(sent, inside, WIDE)
    found = (inside / "run").stat()
    assert found.st_mode & 0o7002 == 0
    assert found.st_mode & 0o100
    assert found.st_uid == os.geteuid()


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    files = collect(tmp_path, WIDE)
    (tmp_path / "a").write_text("second and longer")
    with pytest.raises(CodeError, match="a changed while it was read"):
        archive.pack(tmp_path, files, io.BytesIO())


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    files = collect(tmp_path, WIDE)
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to("/etc/passwd")
    with pytest.raises(CodeError, match="a cannot be read"):
        archive.pack(tmp_path, files, io.BytesIO())
