"""Installed by the words of `docs/operations.md` where nothing was before, and used from there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.version import VERSION
from tests.docs.pages import blocks, page
from tests.support.edge import EDGE_READY
from tests.support.installed import Built, environ, must
from tests.support.processes import started
from tests.support.tools import tool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WAYS = {
    block.text.split()[1]: block.text.splitlines()
    for block in blocks(page("operations.md"))
    if block.language == "sh" and "install jelou-edge" in block.text
}


def test_there_are_two_ways() -> None:
    assert WAYS.keys() == {"python3", "pipx"}


@contextmanager
def used(jelou: Path, home: Path) -> Iterator[None]:
    """Make a function, serve, deploy it with a program, call it; and once more what follows."""
    own = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "PYTHONPATH": ""}
    data = ("--data-dir", str(home / "data"))
    assert must(jelou, "--version", cwd=home) == f"jelou {VERSION}\n"
    must(jelou, "init", "greeter", cwd=home, env=environ(**own))
    serve = [str(jelou), "serve", "--bind", "127.0.0.1:0", *data]
    with started(serve, EDGE_READY, env=own, seconds=60):
        deploy = must(jelou, "deploy", "greeter", "--json", *data, cwd=home, env=environ(**own))
        deployed = json.loads(deploy)["data"]
        call = ("curl", "--fail", "--silent", deployed["url"], "--json", '{"name": "Ana"}')
        token = f"X-Jelou-Token: {deployed['token']}"
        assert json.loads(must(*call, "-H", token, cwd=home)) == {"greeting": "Hello, Ana!"}
        yield


def typed(lines: list[str], wheel: Path, home: Path) -> None:
    """Type what the page says, in a home of its own, with this wheel for the package's name."""
    (home / "bin").mkdir(exist_ok=True)
    for line in lines:
        here = line.removeprefix("$ ").replace(" jelou-edge", f" {wheel}")
        here = here.replace("/opt/", f"{home}/").replace("/usr/local/bin", f"{home}/bin")
        own = {"HOME": str(home), "PATH": f"{home}/bin:{home}/.local/bin:{os.environ['PATH']}"}
        must("sh", "-c", here, cwd=home, env=environ(**own))


def test_in_an_environment_of_its_own(built: Built, tmp_path: Path) -> None:
    typed(WAYS["python3"], built.wheel, tmp_path)
    with used(tmp_path / "bin" / "jelou", tmp_path):
        place = tmp_path / "jelou-edge"
        (origin,) = place.glob("lib/python3*/site-packages/edge/app.py")
        assert origin.is_file()
        names = {each["name"] for each in packages(place)}
        assert not names & {"pytest", "ruff", "mypy", "hypothesis", "playwright"}
    manual = must(
        *(tool("man"), "--where", "jelou"),
        cwd=tmp_path,
        env=environ(PATH=f"{place}/bin:{os.environ['PATH']}"),
    )
    assert Path(manual.strip()) == place / "share" / "man" / "man1" / "jelou.1"


def packages(place: Path) -> list[dict[str, str]]:
    """What is installed in an environment."""
    listed: list[dict[str, str]] = json.loads(
        must(place / "bin" / "pip", "list", "--format", "json", cwd=place)
    )
    return listed


def test_with_pipx(built: Built, tmp_path: Path) -> None:
    tool("pipx")
    typed(WAYS["pipx"], built.wheel, tmp_path)
    with used(tmp_path / ".local" / "bin" / "jelou", tmp_path):
        pass


def test_from_the_sdist(built: Built, tmp_path: Path) -> None:
    typed(WAYS["python3"], built.sdist, tmp_path)
    with used(tmp_path / "bin" / "jelou", tmp_path):
        pass
