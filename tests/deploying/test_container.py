"""The image: what its recipe says is true to the edge; and built and run, line by line."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.config_loading import load
from edge.settings import parse_address
from tests.installing.test_archives import SDIST
from tests.support.image import Image, described, in_namespaces, instructions
from tests.support.processes import JELOU, ROOT, run, started
from tests.support.tools import tool
from tests.support.whole_processes import children, eventually

RECIPE = ROOT / "examples" / "deploying" / "container"
FILE = RECIPE / "Containerfile"
TEXT = FILE.read_text("utf-8")
IMAGE = described(TEXT)
INSIDE = "http://127.0.0.1:8080"


def test_it_runs_as_a_user_with_its_data_in_a_volume_and_its_port_open() -> None:
    config = load({}, IMAGE.environ, None, root=False).config
    assert IMAGE.uid > 0
    assert IMAGE.volumes == [str(config.data_dir)] == ["/data"]
    (bind,) = map(parse_address, config.bind)
    assert (bind.host, [bind.port]) == ("0.0.0.0", IMAGE.ports)
    assert INSIDE + "/__edge/ready" in IMAGE.health[-1]
    assert config.certfile is None
    (program,), command = IMAGE.entrypoint, IMAGE.command
    assert program == "jelou"
    shown = run([*JELOU, *command, "--print-config"], env=IMAGE.environ)
    assert shown.returncode == 0, shown.stderr


def test_it_comes_from_one_base_and_names_no_registry() -> None:
    bases = [rest.split()[0] for name, rest in instructions(TEXT) if name == "FROM"]
    assert set(bases) == {"python:3.11-slim"}
    assert not re.search(r"https?://(?!127\.0\.0\.1)", TEXT)


def test_what_it_copies_is_what_the_package_is_built_from() -> None:
    copied = [rest.split()[:-1] for name, rest in instructions(TEXT) if name == "COPY"]
    sources = {source for group in copied for source in group if not group[0].startswith("--from")}
    assert sources == {*SDIST, "pyproject.toml", ".ci/requirements.txt"}
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == sources


def test_without_an_engine_the_script_says_what_is_missing(tmp_path: Path) -> None:
    for name in ("dirname", "sh"):
        (tmp_path / name).symlink_to(tool(name))
    done = run([tool("sh"), str(RECIPE / "build.sh"), "x"], env={"PATH": str(tmp_path)})
    assert (done.returncode, "podman" in done.stderr) == (1, True)


@dataclass(frozen=True)
class Container:
    """A container that runs."""

    pid: int
    image: Image

    def executes(self, *command: str, cwd: str = "/tmp") -> "subprocess.CompletedProcess[str]":
        """Run a command inside beside it, as its user, with its environment."""
        user = (f"--setuid={self.image.uid}", f"--setgid={self.image.uid}")
        inside = ("nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--root", *user)
        variables = [f"{name}={value}" for name, value in self.image.environ.items()]
        line = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd)
        return subprocess.run(
            [*inside, "/usr/bin/env", "-i", "HOME=/tmp", *variables, *line, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def must(self, *command: str) -> str:
        """Run a command that has to succeed; what it printed."""
        done = self.executes(*command)
        assert done.returncode == 0, done
        return done.stdout


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    if os.geteuid() != 0:
        pytest.skip("only root can build it without an engine")
    data = tmp_path / "data"
    data.mkdir()
    command = in_namespaces(FILE, ROOT, data)
    with started(command, "Edge ready on ", seconds=300) as program:
        assert program.address == INSIDE.replace("127.0.0.1", "0.0.0.0")
        (pid,) = children(program.process.pid)
        yield Container(pid, IMAGE)
        with suppress(ProcessLookupError):
            os.kill(pid, 15)
        eventually(lambda: program.process.poll() is not None, "it has ended", 30)
        assert program.process.returncode == 0, program.output()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_it_is_built_and_serves_with_nothing_to_write_on_but_its_volume(
    container: Container,
) -> None:
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert f"Uid:\t{container.image.uid}\t" in status
    assert re.search(r"NSpid:\t\d+\t1\n", status)
    container.must(*container.image.health)
    container.must("curl", "--fail", f"{INSIDE}/__edge/live")
    container.must("jelou", "init", "greeter")
    deployed: Any = json.loads(container.must("jelou", "deploy", "greeter", "--json"))["data"]
    call = ("curl", "-sf", f"{INSIDE}/greeter", "--json", '{"name": "Ana"}')
    answer = container.must(*call, "-H", f"X-Jelou-Token: {deployed['token']}")
    assert json.loads(answer) == {"greeting": "Hello, Ana!"}
    assert container.executes("touch", "/opt/jelou-edge/x").returncode != 0
    found = json.loads(container.must("jelou", "doctor", "--json"))["data"]["findings"]
    assert [each for each in found if each["level"] == "wrong"] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_engine_builds_it() -> None:
    engines = ("podman", "docker", "buildah")
    if not any(run(["sh", "-c", f"{each} info"]).returncode == 0 for each in engines):
        pytest.skip("no container engine runs here")
    done = run(["sh", str(RECIPE / "build.sh"), "jelou-edge-test"], seconds=800)
    assert done.returncode == 0, done.stderr
