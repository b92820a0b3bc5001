"""Which files of a project are deployed, and what is said of those that cannot be."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.code.collect import collect
from edge.code.limits import CodeError, Limits, readable

WIDE = Limits(2000, 50_000_000)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def names(root: Path) -> list[str]:
    return [file.path for file in collect(root, WIDE)]


def refusal(root: Path, limits: Limits = WIDE) -> str:
    with pytest.raises(CodeError) as raised:
        collect(root, limits)
    return str(raised.value)


@pytest.mark.parametrize(
    "left_out",
    [
        ".env",
        ".env.production",
        "sub/.env",
        ".git/config",
        ".jelou/state",
        ".hidden",
        ".github/workflows/ci.yml",
        "node_modules/a/index.js",
        "sub/node_modules/a.js",
        "dist/out.js",
        "__pycache__/index.pyc",
        "index.pyc",
        ".venv/bin/python",
        "venv/bin/python",
        "jelou.json",
    ],
)
def test_what_is_made_anew_hidden_or_secret_stays_here(tmp_path: Path, left_out: str) -> None:
    assert names(tree(tmp_path, {left_out: "x", "index.py": "y"})) == ["index.py"]


@pytest.mark.parametrize(
    ("ignore", "kept"),
    [
        ("", ["a.log", "data/b.csv", "data/keep.csv", "index.py"]),
        ("*.log", ["data/b.csv", "data/keep.csv", "index.py"]),
        ("data/", ["a.log", "index.py"]),
        ("/data/*\n!/data/keep.csv", ["a.log", "data/keep.csv", "index.py"]),
        ("# a comment\n\n**/*.csv", ["a.log", "index.py"]),
        ("!dist/", ["a.log", "data/b.csv", "data/keep.csv", "dist/x.js", "index.py"]),
        ("!.npmrc", [".npmrc", "a.log", "data/b.csv", "data/keep.csv", "index.py"]),
        ("!.env\n!.git/", ["a.log", "data/b.csv", "data/keep.csv", "index.py"]),
    ],
)
def test_jelouignore_reads_as_a_gitignore_and_takes_in_all_but_secrets(
    tmp_path: Path, ignore: str, kept: list[str]
) -> None:
    files = ("a.log", "data/b.csv", "data/keep.csv", "dist/x.js", "index.py", ".npmrc", ".env")
    tree(tmp_path, dict.fromkeys((*files, ".git/HEAD"), "x") | {".jelouignore": ignore})
    assert names(tmp_path) == kept


def test_a_project_file_below_the_top_is_code(tmp_path: Path) -> None:
    assert names(tree(tmp_path, {"examples/jelou.json": "{}"})) == ["examples/jelou.json"]


def test_too_many_files_name_where_most_of_them_are(tmp_path: Path) -> None:
    tree(tmp_path, {f"data/{number}": "" for number in range(8)} | {"index.py": ""})
    said = refusal(tmp_path, Limits(5, 1000))
    assert "9 files; 5 is the most (code_files)" in said
    assert "data/ (8)" in said
    assert ".jelouignore" in said


def test_too_many_bytes_name_what_is_largest(tmp_path: Path) -> None:
    tree(tmp_path, {"model.bin": "x" * 3_000_000, "index.py": "x"})
    said = refusal(tmp_path, Limits(100, 2_000_000))
    assert "3 MB; 2 MB is the most (code_size)" in said
    assert "model.bin (3 MB)" in said


def test_what_is_left_out_counts_for_no_limit(tmp_path: Path) -> None:
    tree(tmp_path, {f"node_modules/{n}": "x" * 100 for n in range(20)} | {"index.py": ""})
    assert len(collect(tmp_path, Limits(5, 100))) == 1


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "/"])
def test_a_link_out_of_the_project_is_refused(tmp_path: Path, target: str) -> None:
    project = tmp_path / "project"
    tree(project, {"sub/a": ""})
    (tmp_path / "outside").write_text("secret")
    (project / "link").symlink_to(target)
    assert refusal(project).startswith("The link link leads out of the project")


def test_a_link_out_through_another_link_is_refused(tmp_path: Path) -> None:
    project = tree(tmp_path / "project", {"s/a": ""})
    (project / "s/up").symlink_to("..")
    (project / "out").symlink_to("s/up/../other")
    assert "The link out leads out" in refusal(project)


def test_a_link_within_the_project_is_kept_as_one(tmp_path: Path) -> None:
    tree(tmp_path, {"lib/a.py": "x"})
    (tmp_path / "b.py").symlink_to("lib/a.py")
    assert [(f.path, f.link) for f in collect(tmp_path, WIDE)] == [
        ("b.py", "lib/a.py"),
        ("lib/a.py", ""),
    ]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path).startswith("pipe is neither a file nor a directory")


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/a\xff", "wb"):
        pass
    assert "is not UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (800, "800 B"), (1200, "1.2 KB"), (999_949, "999.9 KB"), (50_000_000, "50 MB")],
)
def test_sizes_read_as_the_platform_writes_them(size: int, said: str) -> None:
    assert readable(size) == said
