"""The example functions do what their OpenAPI document says, alike in Python and in Node."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import jsonschema_rs
import pytest

from tests.examples.conftest import Example
from tests.support.edge import FUNCTION_READY
from tests.support.processes import ROOT, started

DOCUMENTS = [
    ROOT / "examples" / name / "openapi.json" for name in ("python-function", "node-function")
]
DOCUMENT = json.loads(DOCUMENTS[0].read_text("utf-8"))
ROSA = {"name": "Rosa Paz", "phone": "593900000001", "city": "Loja"}


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


@pytest.fixture(scope="module", params=["tcp", "unix"])
def address(
    example: Example, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where a running example listens."""
    path = tmp_path_factory.mktemp("function") / "function.sock"
    env = {"SOCKET": str(path)} if request.param == "unix" else {"PORT": "0"}
    with started(example.command, FUNCTION_READY, env=env) as program:
        yield program.address


@pytest.fixture
def connection(address: str) -> Iterator[HTTPConnection]:
    """One kept-alive connection to a running example."""
    if address.startswith("unix:"):
        opened: HTTPConnection = UnixConnection(address.removeprefix("unix:"))
    else:
        opened = HTTPConnection(address.removeprefix("http://"), timeout=10)
    yield opened
    opened.close()


def call(
    connection: HTTPConnection, method: str, target: str, body: Any = None
) -> tuple[int, Any, HTTPResponse]:
    """Send a request on the connection; return status, JSON value and response."""
    sent = None if body is None else json.dumps(body).encode()
    connection.request(method, target, sent, {"Content-Type": "application/json"} if sent else {})
    response = connection.getresponse()
    received = response.read()
    return response.status, json.loads(received) if received else None, response


def conforms(value: Any, method: str, path: str, status: int) -> bool:
    """Tell whether an answer's value is what the document promises."""
    content = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)].get("content")
    if content is None:
        return value is None
    schema = content["application/json"]["schema"] | {"components": DOCUMENT["components"]}
    return bool(jsonschema_rs.is_valid(schema, value))


CALLS = [
    ("POST", "/", "/", {"phone": "593987654321"}, 200),
    ("POST", "/", "/", {"phone": "1"}, 404),
    ("POST", "/", "/", {}, 422),
    ("GET", "/customers", "/customers", None, 200),
    ("GET", "/customers", "/customers?city=Quito&limit=1", None, 200),
    ("GET", "/customers", "/customers?limit=0", None, 422),
    ("POST", "/customers", "/customers", {"name": "Rosa"}, 422),
    ("POST", "/customers", "/customers", {"name": "Rosa", "phone": "+593"}, 422),
    ("POST", "/customers", "/customers", ROSA, 201),
    ("GET", "/customers/{id}", "/customers/c1", None, 200),
    ("GET", "/customers/{id}", "/customers/..%2Fc1", None, 404),
    ("DELETE", "/customers/{id}", "/customers/nobody", None, 404),
]


@pytest.mark.parametrize(("method", "path", "target", "body", "status"), CALLS)
def test_every_operation_answers_as_documented(
    connection: HTTPConnection, method: str, path: str, target: str, body: Any, status: int
) -> None:
    answered, value, response = call(connection, method, target, body)

    assert answered == status, value
    assert conforms(value, method, path, status)
    assert response.headers["Content-Type"] == "application/json"


def test_an_added_customer_is_found_until_it_is_removed(connection: HTTPConnection) -> None:
    _, created, _ = call(connection, "POST", "/customers", ROSA | {"phone": "593900000099"})
    target = f"/customers/{created['id']}"

    found = call(connection, "GET", target)[:2]
    by_phone = call(connection, "POST", "/", {"phone": "593900000099"})[:2]
    removed = call(connection, "DELETE", target)[:2]
    gone, _, _ = call(connection, "GET", target)

    assert found == by_phone == (200, created)
    assert removed == (204, None)
    assert gone == 404


def test_a_report_streams_an_event_before_the_next_one_is_made(connection: HTTPConnection) -> None:
    connection.request("GET", "/report?pause=5000")
    response = connection.getresponse()

    first = response.readline() + response.readline()  # the second city is 5 s away

    assert response.headers["Content-Type"] == "text/event-stream"
    assert first.startswith(b"event: progress\ndata: {")


def test_a_report_ends_with_its_result(connection: HTTPConnection) -> None:
    connection.request("GET", "/report?pause=0")
    events = connection.getresponse().read().decode().strip().split("\n\n")

    assert all(event.startswith("event: progress\n") for event in events[:-1])
    result = json.loads(events[-1].removeprefix("event: result\ndata: "))
    assert result["total"] == sum(result["cities"].values())


def test_a_body_in_chunks_is_read(connection: HTTPConnection) -> None:
    pieces = [b'{"phone": ', b'"593987654321"}']
    connection.request("POST", "/", iter(pieces), encode_chunked=True)

    assert json.loads(connection.getresponse().read())["id"] == "c1"


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("POST", "/", b"{not json", 400),
        ("POST", "/", b" " * (1024 * 1024 + 1), 413),
        ("PUT", "/customers", b"{}", 405),
        ("GET", "/nowhere", None, 404),
    ],
)
def test_bad_requests_are_told_what_is_wrong(
    connection: HTTPConnection, method: str, target: str, body: bytes | None, status: int
) -> None:
    connection.request(method, target, body)
    response = connection.getresponse()

    assert response.status == status
    assert json.loads(response.read())["error"]


def test_head_answers_as_get_without_a_body(connection: HTTPConnection) -> None:
    connection.request("HEAD", "/customers")
    response = connection.getresponse()

    assert (response.status, response.read()) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_the_document_is_served_and_both_examples_have_the_same(
    connection: HTTPConnection,
) -> None:
    assert call(connection, "GET", "/openapi.json")[:2] == (200, DOCUMENT)
    assert len({path.read_bytes() for path in DOCUMENTS}) == 1


def test_the_document_describes_every_operation_with_its_own_name() -> None:
    names = [
        operation["operationId"]
        for path in DOCUMENT["paths"].values()
        for key, operation in path.items()
        if key != "parameters"
    ]

    assert DOCUMENT["openapi"].startswith("3.1")
    assert len(names) == len(set(names)) == 6
