"""Functions type-check as their authors would expect, and wrong ones do not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

GOOD = """
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pydantic import BaseModel

from edge.sdk import Context, Event, Request, Response, app, define, response


class Input(BaseModel):
    phone: str


class Output(BaseModel):
    name: str


def handler(input: Input, ctx: Context) -> Output:
    ctx.log("Looking", phone=input.phone)
    return Output(name=ctx.env.get("NAME", "") + ctx.requestId + str(ctx.isCron))


async def created(input: Input | None, ctx: Context, request: Request) -> Response:
    return response.status(201).header("Location", "/1").json({"at": request.path})


def lines(input: dict[str, Any], ctx: Context) -> Iterator[str]:
    yield input["a"]


async def events(input: Any, ctx: Context) -> AsyncIterator[Event]:
    yield response.result(1)


def numbers(input: list[int], ctx: Context) -> int:
    return sum(input)


default = app(
    tools={
        "find": define(description="Finds", input=Input, output=Output, handler=handler),
        "create": define(input=Input, handler=created, config={"cron": []}),
        "lines": define(input={"type": "object"}, handler=lines),
        "events": define(handler=events),
        "numbers": define(input=list[int], output=int, handler=numbers),
    },
    config={"public": True},
)
"""

BAD = """
from pydantic import BaseModel

from edge.sdk import Context, define


class Input(BaseModel):
    phone: str


class Other(BaseModel):
    phone: str


def handler(input: Other, ctx: Context) -> int:
    return ctx.nothing


default = define(input=Input, handler=handler)
"""


def mypy(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "index.py").write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--config-file=", "--cache-dir", str(folder / "cache"), "index.py"]
    env = os.environ | {"MYPYPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.timeout(120)
def test_functions_type_check_strictly(tmp_path: Path) -> None:
    checked = mypy(tmp_path, GOOD)
    assert checked.returncode == 0, checked.stdout

    refused = mypy(tmp_path, BAD)
    assert 'has no attribute "nothing"' in refused.stdout
    assert "[arg-type]" in refused.stdout
