"""Code made from what was sent: installed, built, sealed; once, or not at all."""

import io
import os
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edge.code.command import Owner
from edge.code.limits import CodeError, Limits
from edge.code.making import Means, make
from edge.code.recipe import Recipe, dependencies, stands_alone
from edge.code.store import MOST_UPLOADS, Code, CodeStore
from tests.support.whole_processes import eventually, is_alive

LIMITS = Limits(100, 1_000_000)


@pytest.fixture
def store(tmp_path: Path) -> CodeStore:
    (tmp_path / "data").mkdir()
    return CodeStore(tmp_path / "data", LIMITS)


@pytest.fixture
def held(store: CodeStore) -> Iterator[CodeStore]:
    with store.held():
        yield store


def put(store: CodeStore, files: dict[str, str], slug: str = "fn") -> str:
    sent = store.root.parent / "sent.tar"
    with tarfile.open(sent, "w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return store.put(sent).digest


def means(timeout: float = 60.0, **environment: str) -> Means:
    path = os.environ["PATH"]
    return Means({"PATH": path, **environment}, os.environ, None, timeout)


def made(store: CodeStore, files: dict[str, str], build: str = "", entrypoint: str = "") -> Code:
    argv = ("sh", "-c", build) if build else ()
    recipe = Recipe("fn", put(store, files), entrypoint, argv)
    return store.code(make(store, recipe, means(GREETING="hello")))


def refusal(store: CodeStore, files: dict[str, str], build: str = "", entrypoint: str = "") -> str:
    with pytest.raises(CodeError) as raised:
        made(store, files, build, entrypoint)
    return str(raised.value)


def whole(store: CodeStore) -> list[str]:
    return [path.name for path in store.root.iterdir() if path.is_dir() and len(path.name) == 64]


def test_a_build_runs_in_the_copy_with_the_environment_of_the_function(held: CodeStore) -> None:
    code = made(held, {"a.txt": "x"}, build='echo "$GREETING $(cat a.txt)" > built; env > told')
    assert (code.files / "built").read_text() == "hello x\n"
    told = {line.partition("=")[0] for line in (code.files / "told").read_text().splitlines()}
    assert told - {"SHLVL", "_", "PWD", "OLDPWD"} == {"PATH", "GREETING", "HOME", "TMPDIR"}


def test_equal_code_is_built_once(held: CodeStore, tmp_path: Path) -> None:
    build = f"echo x >> {tmp_path}/count"
    first, second = made(held, {"a": "x"}, build), made(held, {"a": "x"}, build)
    other = made(held, {"a": "y"}, build)
    assert first == second != other
    assert (tmp_path / "count").read_text() == "x\nx\n"


def test_a_failing_build_tells_its_last_lines_and_leaves_nothing(held: CodeStore) -> None:
    build = "for n in $(seq 1000); do echo line $n; done; echo broken >&2; exit 3"
    said = refusal(held, {"a": "x"}, build)
    assert "The build failed (exit status 3)" in said
    assert said.endswith("line 1000\n  broken")
    assert "line 900\n" not in said
    assert whole(held) == []


def test_a_build_that_hangs_is_ended_with_all_it_started(held: CodeStore, tmp_path: Path) -> None:
    argv = ("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; echo waiting; wait")
    recipe = Recipe("fn", put(held, {"a": "x"}), "", argv)
    with pytest.raises(CodeError, match=r"took longer than 0.5 s \(build_timeout\):\n  waiting"):
        make(held, recipe, means(timeout=0.5))
    started = int((tmp_path / "pid").read_text())
    eventually(lambda: not is_alive(started), "what it started has ended", 5.0)


def test_what_a_build_leaves_running_is_ended(held: CodeStore, tmp_path: Path) -> None:
    made(held, {"a": "x"}, build=f"sleep 60 & echo $! > {tmp_path}/pid")
    started = int((tmp_path / "pid").read_text())
    eventually(lambda: not is_alive(started), "what it started has ended", 5.0)


def test_a_program_that_is_not_there_is_named(held: CodeStore) -> None:
    recipe = Recipe("fn", put(held, {"a": "x"}), "", ("no-such-program",))
    with pytest.raises(CodeError, match="no-such-program"):
        make(held, recipe, means())


def test_an_entrypoint_that_was_not_sent_is_named(held: CodeStore) -> None:
    assert "The entrypoint index.py is not among the files" in refusal(
        held, {"main.py": ""}, entrypoint="index.py"
    )


def test_code_that_was_never_sent_is_asked_for_again(held: CodeStore) -> None:
    with pytest.raises(CodeError, match="send it again"):
        make(held, Recipe("fn", "0" * 64, "", ()), means())
    assert whole(held) == []


def test_what_was_cut_while_it_was_made_is_made_anew(held: CodeStore) -> None:
    code = made(held, {"a": "x"})
    (code.directory / "whole").unlink()  # as after a crash
    (code.files / "a").write_text("half")
    assert (made(held, {"a": "x"}).files / "a").read_text() == "x"


def test_nobody_else_may_read_or_change_it(held: CodeStore) -> None:
    code = made(held, {"a": "x"}, build="chmod 777 . a; mkdir d; chmod 777 d")
    for path in (code.directory, code.files, code.files / "a", code.files / "d"):
        assert path.stat().st_mode & 0o027 == 0, path


def test_requirements_are_installed_for_the_function_alone(held: CodeStore, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    files = {"index.py": "", "requirements.txt": f"{tmp_path}/wheels/greet-1.0-py3-none-any.whl\n"}
    code = made(held, files, entrypoint="index.py")
    assert (code.packages / "greet.py").read_text() == "WORD = 'hello'\n"
    assert not (code.directory / "home").exists()


def test_dependencies_of_a_pyproject_are_installed(held: CodeStore, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    url = (tmp_path / "wheels/greet-1.0-py3-none-any.whl").as_uri()
    files = {
        "index.py": "",
        "pyproject.toml": f'[project]\nname = "x"\ndependencies = ["greet @ {url}"]\n',
    }
    assert (made(held, files, entrypoint="index.py").packages / "greet.py").exists()


def test_an_install_that_fails_tells_what_pip_says(held: CodeStore) -> None:
    files = {"index.py": "", "requirements.txt": "./no-such-directory\n"}
    said = refusal(held, files, entrypoint="index.py")
    assert "Installing requirements.txt failed (exit status 1)" in said
    assert "no-such-directory" in said


def test_no_secret_of_the_function_reaches_an_install(held: CodeStore, tmp_path: Path) -> None:
    source = tmp_path / "spy"
    source.mkdir()
    (source / "setup.py").write_text(
        f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ))); 1/0"
    )
    refusal(held, {"index.py": "", "requirements.txt": f"{source}\n"}, entrypoint="index.py")
    seen = (tmp_path / "seen").read_text() if (tmp_path / "seen").exists() else ""
    assert "GREETING" not in seen


def test_modules_of_the_project_are_not_taken_for_those_of_pip(
    held: CodeStore, tmp_path: Path
) -> None:
    wheel(tmp_path / "wheels")
    files = {
        "index.py": "",
        "json.py": "1/0",
        "pip.py": "1/0",
        "requirements.txt": f"{tmp_path}/wheels/greet-1.0-py3-none-any.whl\n",
    }
    assert (made(held, files, entrypoint="index.py").packages / "greet.py").exists()


def test_a_directory_that_a_build_shut_is_opened(held: CodeStore) -> None:
    code = made(held, {"a": "x"}, build="mkdir d; touch d/e; chmod 000 d/e; chmod 000 d")
    assert (code.files / "d" / "e").read_text() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives functions users of their own")
def test_a_build_of_a_user_of_its_own_reads_nothing_of_the_edge_or_of_others() -> None:
    with TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        data = top / "data"
        data.mkdir(mode=0o700)
        (data / "edge.db").touch(mode=0o600)
        store = CodeStore(data, LIMITS)
        with store.held():
            other = make(
                store, Recipe("other", put(store, {"a": "secret"}), "", ()), as_user(61200)
            )
            script = f"id -u > who; cat {data}/edge.db {store.code(other).files}/a; ls {data}; true"
            recipe = Recipe(
                "fn", put(store, {"a": "x"}), "", ("sh", "-c", f"({script}) > out 2>&1")
            )
            code = store.code(make(store, recipe, as_user(61300)))
        said = (code.files / "out").read_text()
        assert said.count("Permission denied") == 3, said
        assert (code.files / "who").read_text() == "61300\n"
        found = (code.files / "who").stat()
        assert (found.st_uid, found.st_gid) == (0, 61300), "it cannot be changed any more"


def as_user(number: int) -> Means:
    """With what the code of a user of its own is made."""
    return replace(means(), owner=Owner(number, number))


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "   \n"])
def test_empty_requirements_install_nothing(held: CodeStore, text: str) -> None:
    code = made(held, {"index.py": "", "requirements.txt": text}, entrypoint="index.py")
    assert not code.packages.exists()


def test_modules_are_compiled_once_for_all_starts(held: CodeStore) -> None:
    code = made(held, {"index.py": "x = 1", "broken.py": "x ="}, entrypoint="index.py")
    assert [path.name[:5] for path in (code.files / "__pycache__").iterdir()] == ["index"]


def test_code_that_no_deployment_names_is_removed(store: CodeStore) -> None:
    with store.held():
        kept, other = made(store, {"a": "x"}), made(store, {"a": "y"})
        store.prune(lambda: {kept.directory.name})
        assert other.is_whole, "removed while something is being deployed"
    store.prune(lambda: {kept.directory.name})
    assert (kept.is_whole, other.directory.exists()) == (True, False)


def test_an_upload_over_the_limits_is_not_kept(store: CodeStore) -> None:
    with pytest.raises(CodeError, match="code_size"):
        put(store, {"a": "x" * 1_000_001})
    assert not store.root.exists() or not any((store.root / "uploads").iterdir())


def test_uploads_that_no_deploy_follows_do_not_pile_up(store: CodeStore) -> None:
    sent = []
    for number in range(MOST_UPLOADS + 5):
        sent.append(put(store, {"a": str(number)}))
        at = time.time() - 1000 + number  # the system's clock of files may stand still meanwhile
        os.utime(store.root / "uploads" / f"{sent[-1]}.tar", (at, at))
    left = {path.name for path in (store.root / "uploads").iterdir()}
    assert left == {f"{digest}.tar" for digest in sent[5:]}
    for path in (store.root / "uploads").iterdir():
        os.utime(path, (0, 0))
    last = put(store, {"a": "last"})
    assert [path.name for path in (store.root / "uploads").iterdir()] == [f"{last}.tar"]


def test_two_functions_never_share_code(held: CodeStore) -> None:
    sent = put(held, {"a": "x"})
    one, two = (Recipe(slug, sent, "", ()).digest for slug in ("one", "two"))
    assert one != two


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("requests", True),
        ("requests==2.1 # pinned\nhttpx[http2]>=1,<2 ; python_version > '3'\n\n# all", True),
        ("-r other.txt", False),
        ("./local", False),
        ("greet @ file:///tmp/greet.whl", False),
        ("--find-links x", False),
        ("https://host/x.whl", False),
        ("requests\n-e .", False),
    ],
)
def test_only_names_and_versions_install_the_same_again(text: str, alone: bool) -> None:
    assert stands_alone(text) is alone


@pytest.mark.parametrize("text", ["[", "project = 1", "[project]\ndependencies = 'x'"])
def test_a_pyproject_that_says_something_else_is_refused(text: str) -> None:
    with pytest.raises(CodeError, match=r"pyproject\.toml"):
        dependencies(text)


def wheel(directory: Path) -> None:
    """A wheel of one module, made by hand (the binary distribution format)."""
    directory.mkdir()
    with zipfile.ZipFile(directory / "greet-1.0-py3-none-any.whl", "w") as made_:
        info = "greet-1.0.dist-info"
        made_.writestr("greet.py", "WORD = 'hello'\n")
        made_.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
        tag = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        made_.writestr(f"{info}/WHEEL", tag)
        made_.writestr(f"{info}/RECORD", "")
