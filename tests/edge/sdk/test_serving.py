"""`python -m edge.sdk.serving`: a real process on a real socket."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT, Program, run, started

SERVING = (sys.executable, "-m", "edge.sdk.serving")

FUNCTION = """
import asyncio
import time

import tokens  # also the name of a package of the edge's
from edge.sdk import app, define, response


async def wait(input, ctx):
    ctx.log("waiting")
    try:
        await asyncio.sleep(input["seconds"])
    finally:
        ctx.log("no longer waiting")
    return "waited"


def cut(input, ctx):
    def pieces():
        yield b"half"
        raise ValueError("the disk is full")

    return response.stream(pieces())


default = app(
    tools={
        "echo": define(handler=lambda input, ctx: {"input": input, "env": ctx.env.toObject()}),
        "wait": define(handler=wait),
        "cut": define(handler=cut),
        "help": define(handler=lambda input, ctx: tokens.WORD),
    },
    config={"limits": {"body": 1000}},
)
"""


@contextmanager
def serving(folder: Path, **env: str) -> Iterator[Program]:
    (folder / "index.py").write_text(FUNCTION)
    (folder / "tokens.py").write_text('WORD = "helped"')
    settings = {"PORT": "0", "PYTHONPATH": str(ROOT), **env}
    command = (*SERVING, str(folder / "index.py"))
    with started(command, "Function ready on ", env=settings) as program:
        yield program


@contextmanager
def connected(program: Program) -> Iterator[http.client.HTTPConnection]:
    address = program.address.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=10)) as client:
        yield client


def asked(program: Program, path: str, body: Any = None) -> tuple[int, bytes]:
    with connected(program) as client:
        client.request("POST", path, json.dumps(body))
        with client.getresponse() as answer:
            return answer.status, answer.read()


def read(client: http.client.HTTPConnection, path: str) -> Any:
    client.request("GET", path)
    with client.getresponse() as answer:
        return json.load(answer)


def test_it_answers_with_its_secrets_and_its_own_modules(tmp_path: Path) -> None:
    env = {"JELOU_SECRETS": "API_KEY, OTHER", "API_KEY": "k", "JELOU_FUNCTION": "shop"}
    with serving(tmp_path, **env) as program:
        assert asked(program, "/echo", {"a": 1}) == (
            200,
            b'{"input":{"a":1},"env":{"API_KEY":"k"}}',
        )
        assert asked(program, "/help") == (200, b"helped")
        assert asked(program, "/echo", "x" * 1000)[0] == 413
        with connected(program) as client:
            assert read(client, "/openapi.json")["info"]["title"] == "shop"


def test_a_connection_serves_as_many_requests_as_the_edge_likes(tmp_path: Path) -> None:
    with serving(tmp_path) as program, connected(program) as client:
        read(client, "/__health")
        first = client.sock
        for _ in range(1100):
            read(client, "/__health")
        assert client.sock is first


def test_it_listens_on_a_unix_socket_by_preference(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text(FUNCTION + 'print("Function ready on it", flush=True)')
    (tmp_path / "tokens.py").write_text("WORD = 1")
    path = tmp_path / "s"
    path.touch()  # left behind by one that was killed
    env = {"LISTEN_SOCKET": str(path), "PORT": "0", "PYTHONPATH": str(ROOT)}
    command = (*SERVING, str(tmp_path / "index.py"))
    with (
        started(command, "Function ready on ", env=env),
        closing(http.client.HTTPConnection("localhost")) as client,
    ):
        client.sock = _connected(path)
        assert read(client, "/__health")["mode"] == "app"


def _connected(path: Path) -> socket.socket:
    """A connection, as soon as the process listens."""
    for _ in range(200):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            _breathe()
        else:
            return client
    raise AssertionError("it never listened")


def _breathe() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def test_a_body_that_fails_midway_is_cut_off(tmp_path: Path) -> None:
    with serving(tmp_path) as program, pytest.raises(http.client.IncompleteRead):
        asked(program, "/cut")


def test_sigterm_lets_what_has_begun_finish(tmp_path: Path) -> None:
    with serving(tmp_path) as program, connected(program) as client:
        client.request("POST", "/wait", json.dumps({"seconds": 0.5}))
        _until(program, '"waiting"')
        program.process.send_signal(signal.SIGTERM)
        with client.getresponse() as answer:
            assert answer.read() == b"waited"
        assert program.process.wait(10) == 0


def test_a_client_that_leaves_ends_its_request(tmp_path: Path) -> None:
    with serving(tmp_path) as program:
        with connected(program) as client:
            client.request("POST", "/wait", json.dumps({"seconds": 60}))
            _until(program, '"waiting"')
        _until(program, '"no longer waiting"')


def _until(program: Program, word: str) -> None:
    for _ in range(500):
        if any(word in line for line in list(program.lines)):
            return
        _breathe()
    raise AssertionError(program.output())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_there", "ModuleNotFoundError: No module named 'nothing_there'"),
        ("def f(:", "SyntaxError: "),
        ("x = 1\nraise ValueError('broken')", "ValueError: broken"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("x = 1", 'index.py has no variable "default": write default = define(...)'),
        ("default = 1", '"default" in index.py is a int: write default = define(...)'),
        (
            "from edge.sdk import define\ndefault = define(name='a b', handler=print)",
            "'a b' is not a tool name",
        ),
        (
            "from edge.sdk import define\n"
            "default = define(handler=lambda i, c: 1, config={'path': 'x'})",
            'must be "*" or start with "/"',
        ),
    ],
)
def test_a_module_that_cannot_be_served_says_why_and_exits(
    tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "index.py").write_text(source)

    done = run([*SERVING, str(tmp_path / "index.py")], env={"PYTHONPATH": str(ROOT), "PORT": "0"})

    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("\u2717 ")
    assert "edge/sdk/" not in done.stderr.partition("index.py")[0]


def test_the_traceback_of_a_module_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def f():\n    raise ValueError('broken')\nf()")

    done = run([*SERVING, str(tmp_path / "index.py")], env={"PYTHONPATH": str(ROOT)})

    assert "line 3, in <module>" in done.stderr
    assert "line 2, in f" in done.stderr
    assert "importlib" not in done.stderr
    assert "loading.py" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [([], 2, "usage:"), (["nope.py"], 1, "there is no file nope.py"), (["a", "b"], 2, "usage:")],
)
def test_what_to_serve_must_be_named(words: list[str], code: int, said: str) -> None:
    done = run([*SERVING, *words], env={"PYTHONPATH": str(ROOT)})

    assert (done.returncode, said in done.stderr) == (code, True)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "index.py").write_text(
            "from edge.sdk import define\ndefault = define(handler=lambda i, c: 1)"
        )
        env = {"PYTHONPATH": str(ROOT), "PORT": str(taken.getsockname()[1])}
        done = run([*SERVING, str(tmp_path / "index.py")], env=env)

    assert done.returncode == 1
    assert "cannot listen" in done.stderr


HEAVY = ("tokens", "mcp", "mcp_types", "pydantic", "jsonschema_rs", "anyio", "sqlite_utils")


def test_a_function_starts_without_what_it_does_not_use() -> None:
    source = (
        "import sys, edge.sdk.serving, edge.sdk\n"
        "edge.sdk.define(handler=lambda i, c: 1)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )

    done = run([sys.executable, "-c", source], env={"PYTHONPATH": str(ROOT)})

    assert not set(done.stdout.split()) & set(HEAVY)
    assert "hypercorn" in done.stdout
