"""The examples that use the SDK run by their lines in the README, and do what they say."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from edge.project_file.parse import parse_project
from mcp_bridge.catalog import build
from tests.examples.test_catalogue import EXAMPLES, ROWS
from tests.support.edge import FUNCTION_READY
from tests.support.processes import ROOT, run, started

LINES = {name: line for name, _, line in ROWS}
SHOP = {"PYTHONPATH": str(ROOT), "PORT": "0"}


def words(name: str) -> list[str]:
    """The line of an example, as the words that start it."""
    program, *rest = shlex.split(LINES[name])
    assert program == "python3"
    return [sys.executable, *rest]


@contextmanager
def serving(name: str) -> Iterator[HTTPConnection]:
    with started(words(name), FUNCTION_READY, env=SHOP) as program:
        connection = HTTPConnection(program.address.removeprefix("http://"), timeout=10)
        try:
            yield connection
        finally:
            connection.close()


def ask(connection: HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection.request(method, path, None if body is None else json.dumps(body))
    with connection.getresponse() as answer:
        return answer.status, json.loads(answer.read())


def tools(connection: HTTPConnection) -> dict[str, Any]:
    """What agents would see: each tool's output schema by name."""
    connection.request("GET", "/openapi.json")
    with connection.getresponse() as answer:
        found = build(answer.read())
    assert not found.warnings
    return {tool.name: tool.output_schema for tool in found.tools}


def test_one_function_is_endpoint_document_and_tool() -> None:
    with serving("python-define/") as connection:
        found = ask(connection, "POST", "/", {"phone": "593987654321"})
        assert found == (200, {"name": "Ana Torres", "phone": "593987654321"})
        assert ask(connection, "POST", "/", {"phone": "5939876543210"})[0] == 404
        assert ask(connection, "POST", "/", {"phone": "x"})[0] == 400
        assert ask(connection, "GET", "/?phone=593912345678")[1]["name"] == "Luis Andrade"
        assert list(tools(connection)) == ["find-customer"]


def test_an_app_has_a_route_and_a_tool_for_each() -> None:
    with serving("python-app/") as connection:
        status, order = ask(connection, "POST", "/place-order", {"item": "tea"})
        assert (status, order["amount"]) == (201, 1)
        assert ask(connection, "GET", "/list-orders?limit=1") == (200, [order])
        assert ask(connection, "POST", "/payment-webhook", {"order": 1})[0] == 401
        assert tools(connection)["placeOrder"]["required"] == ["item", "id"]


def test_an_authors_tests_pass() -> None:
    done = run([*words("python-app/test_index.py"), "-p", "no:cacheprovider"], env=SHOP)

    assert done.returncode == 0, done.stdout + done.stderr


def test_their_project_files_are_good() -> None:
    for name in ("python-define", "python-app"):
        parsed = parse_project((EXAMPLES / name / "jelou.json").read_text("utf-8"))

        assert parsed.problems == ()
