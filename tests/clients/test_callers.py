"""The examples that call a function over plain HTTP, run as their README says."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.curl import UNAUTHORIZED
from tests.support.edge import RunningEdge
from tests.support.processes import ROOT, run

CALLERS = ["call.sh", "call.py", "call_requests.py", "call.mjs"]
UNKNOWN_TOKEN = "jfn_rt_" + "0" * 32 + "2Freyo"


@pytest.fixture(params=CALLERS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """The words that run each caller."""
    if request.param == "call_requests.py":
        pytest.importorskip("requests")
    script = str(ROOT / "examples" / "callers" / request.param)
    match Path(script).suffix:
        case ".py":
            return [sys.executable, script]
        case ".mjs":
            return [str(request.getfixturevalue("node")), script]
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return ["sh", script]


Env = Callable[[str], dict[str, str]]


@pytest.fixture
def env(edge: RunningEdge) -> Env:
    """The environment that a caller reads, for a token."""
    return lambda token: {"JELOU_FUNCTION_URL": edge.url, "JELOU_FUNCTION_TOKEN": token}


def test_a_caller_with_the_token_reaches_the_function(
    command: list[str], env: Env, edge: RunningEdge
) -> None:
    done = run(command, env=env(edge.token))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "Ana Torres"


def test_a_caller_with_an_unknown_token_is_told_that_it_is_unauthorized(
    command: list[str], env: Env
) -> None:
    done = run(command, env=env(UNKNOWN_TOKEN))

    assert done.returncode != 0
    said = done.stdout + done.stderr
    body = said[said.index("{") : said.rindex("}") + 1]
    assert json.loads(body) == json.loads(UNAUTHORIZED)
