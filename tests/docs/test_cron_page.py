"""`docs/cron.md`: its recipes take what a real edge sends, nothing else; its tables are whole."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import anyio.to_thread
import pytest

from edge.cron.store import State
from edge.functions import Upstream
from edge.project_file.parse import parse_project
from edge.sdk import cron
from tests.docs.pages import blocks, only_code, page, rows
from tests.support import origin
from tests.support.cron_rig import SLUG, Clock, Receiver, process, unix

PAGE = page("cron.md")
CODE = {block.language: block.text for block in blocks(PAGE) if block.language}
NINE = unix("2026-01-05 09:00:00")
SCHEDULE = {"expression": "0 9 * * *", "name": "recordatorio-mañana 🌅", "botId": "b-1"}

SERVER = """
import { createServer } from "node:http";
import { verifyCron } from "./recipe.mjs";

const secrets = JSON.parse(process.env.SIGNING_SECRETS);
const server = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const now = Number(request.headers["x-test-now"] ?? process.env.NOW);
  const run = verifyCron(request, Buffer.concat(pieces), secrets, now);
  console.log(JSON.stringify({ run, url: request.url, fields: request.rawHeaders }));
  response.statusCode = run === null ? 401 : 200;
  response.end(JSON.stringify(run));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""


def test_the_project_file_shown_is_good() -> None:
    parsed = parse_project(CODE["json"])
    assert (parsed.problems, parsed.warnings) == ((), ())


def test_the_tables_are_whole() -> None:
    told = [only_code(cells[0]) for cells in rows(PAGE)]
    names = {name.lower() for name in told if name and name.startswith("X-Jelou-")}
    signed = {name.decode() for name in (*cron.SIGNED, cron.SIGNATURE)}
    assert names == signed | {"x-jelou-trigger"}
    assert set(get_args(State)) <= set(told)


@contextmanager
def node(directory: Path, secrets: list[str], now: float) -> Iterator["subprocess.Popen[str]"]:
    """The recipe as a server of its own; it writes its port, then a line for each request."""
    (directory / "recipe.mjs").write_text(CODE["js"])
    (directory / "server.mjs").write_text(SERVER)
    env = {**os.environ, "SIGNING_SECRETS": json.dumps(secrets), "NOW": str(now)}
    command = ["node", str(directory / "server.mjs")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as made:
        try:
            yield made
        finally:
            made.kill()


def line(made: "subprocess.Popen[str]") -> Any:
    """What a server writes next."""
    assert made.stdout is not None
    return json.loads(made.stdout.readline())


def again(port: int, seen: dict[str, Any], body: bytes = b"", **changed: str) -> int:
    """The status of a request that was seen, sent once more with these fields in place of its."""
    pairs = list(zip(seen["fields"][::2], seen["fields"][1::2], strict=True))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    replaced = {name.replace("_", "-"): value for name, value in changed.items()}
    target = replaced.pop("target", seen["url"])
    connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    for name, value in pairs:
        if name.lower() not in {*replaced, "content-length"}:
            connection.putheader(name, value.encode("latin-1"))
    for name, value in replaced.items():
        connection.putheader(name, value.encode())
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


async def test_the_recipe_for_node_takes_what_an_edge_sends_and_nothing_else(
    tmp_path: Path,
) -> None:
    def of_run(run: str, at: float = NINE) -> dict[str, str]:
        return {"x_jelou_cron_run": run, "x_test_now": str(at)}

    run_sync, clock = anyio.to_thread.run_sync, Clock()
    async with process(tmp_path / "data", clock) as edge:
        secrets = edge.secrets.of(SLUG, clock())
        with node(tmp_path, list(secrets), NINE + 299) as receiver:
            port = await run_sync(line, receiver)
            edge.deploy(Upstream("http", "127.0.0.1", port, base="/hooks"), SCHEDULE)
            await clock.set(NINE)
            (run,) = await edge.ended(1)
            seen = await run_sync(line, receiver)
            assert (run.state, run.status) == ("ok", 200)
            assert seen["run"] == {
                "run": run.id,
                "expression": SCHEDULE["expression"],
                "name": SCHEDULE["name"],
                "botId": SCHEDULE["botId"],
            }
            refused = [
                again(port, seen),  # seen before
                again(port, seen, **of_run("run_other")),
                again(port, seen, x_jelou_cron_name="daily"),
                again(port, seen, x_jelou_bot_id="b-2"),
                again(port, seen, x_jelou_cron="* * * * *"),
                again(port, seen, target="/"),
                again(port, seen, body=b"x"),
                again(port, seen, x_jelou_cron_signature="t=1,v1=" + "0" * 64),
                again(port, seen, x_jelou_cron_signature=""),
                again(port, seen, x_test_now=str(NINE + 301)),
            ]
            assert refused == [401] * 10
        with node(tmp_path, ["other", secrets[0]], NINE - 299) as receiver:
            port = await run_sync(line, receiver)
            assert again(port, seen, x_test_now=str(NINE - 301)) == 401
            assert again(port, seen) == 200  # by either secret, from either side of the hour


async def test_the_recipe_for_python_takes_what_an_edge_sends_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, function = Clock(), Receiver()
    async with origin.serving(function.behave) as at, process(tmp_path, clock) as edge:
        edge.deploy(at.upstream, SCHEDULE)
        await clock.set(NINE)
        (run,) = await edge.ended(1)
        monkeypatch.setenv("SIGNING_SECRET", edge.secrets.of(SLUG, clock())[0])
    (seen,) = function.seen
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(CODE["python"], "cron.md", "exec"), names)
    names["time"] = type("Time", (), {"time": staticmethod(lambda: NINE)})
    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": seen.headers}
    found = names["run_of"](scope, b"")
    assert (found.run, found.name) == (run.id, SCHEDULE["name"])
    assert names["run_of"](scope, b"") is None
