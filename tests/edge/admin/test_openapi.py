"""The management API's own OpenAPI document: all that is routed is in it, and nothing else."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.admin.api import AdminApi
from edge.admin.local import LocalOperations
from edge.admin.operations import Operations
from edge.admin.routes import ENDPOINTS, ROOT
from mcp_bridge.document import load
from tests.support.asgi_server import on_tcp
from tests.support.documents_origin import BOOKS, origin
from tests.support.operations import store

OF_A_FUNCTION = {"slug", "function"}
NEED_AN_EDGE = {"fire", "cron_run", "observed"}


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def client(edge: LocalOperations) -> Iterator["Client"]:
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        yield Client(url, edge.create_access("laptop").token)


class Client:
    """Asks as the document says, and holds every answer to it."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self.document: dict[str, Any] = self.send("GET", "/v1/openapi.json")[1]
        self.asked: set[str] = set()

    def send(self, method: str, target: str, body: bytes | None = None) -> tuple[int, Any]:
        fields = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=10)
        with closing(connection):
            connection.request(method, target, body, fields)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def schema(self, schema: dict[str, Any]) -> Any:
        whole = {**schema, "components": self.document["components"]}
        return jsonschema_rs.Draft202012Validator(whole)

    def __call__(self, operation: str, body: Any = None, query: str = "", **path: str) -> Any:
        """The data of an answer that is as documented, to a request that is."""
        ((template, method, described),) = [
            (template, method, found)
            for template, methods in self.document["paths"].items()
            for method, found in methods.items()
            if found["operationId"] == operation
        ]
        if body is not None:
            sent = described["requestBody"]["content"]["application/json"]["schema"]
            self.schema(sent).validate(body)
        target = re.sub(r"\{(\w+)\}", lambda match: path[match[1]], template) + query
        raw = None if body is None else json.dumps(body).encode()
        status, answer = self.send(method.upper(), target, raw)
        responses = described["responses"]
        told = responses["200" if status == 200 else "default"]
        self.schema(told["content"]["application/json"]["schema"]).validate(answer)
        assert status == 200, answer
        self.asked.add(operation)
        return answer["data"]


def test_every_route_is_in_the_document_and_every_path_is_routed(client: Client) -> None:
    told = {
        (method.upper(), path): found["operationId"]
        for path, methods in client.document["paths"].items()
        for method, found in methods.items()
    }
    assert told == {(e.method, ROOT + e.path): e.operation for e in ENDPOINTS}


def test_every_argument_is_in_the_document_and_every_parameter_is_taken(client: Client) -> None:
    for endpoint in ENDPOINTS:
        told = client.document["paths"][ROOT + endpoint.path][endpoint.method.lower()]
        named = {parameter["name"] for parameter in told.get("parameters", ())}
        assert named >= set(re.findall(r"\{(\w+)\}", endpoint.path))
        content = told.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if not endpoint.whole_body:
            files = {endpoint.takes, endpoint.gives}
            assert named | set(schema.get("properties", ())) == set(endpoint.arguments) - files


def test_every_operation_of_the_protocol_is_described(client: Client) -> None:
    told = [f for methods in client.document["paths"].values() for f in methods.values()]
    public = {name for name in dir(Operations) if not name.startswith("_")}
    assert {found["operationId"] for found in told} == public
    assert all(found["summary"] for found in told)


def test_the_document_is_one(client: Client) -> None:
    load(json.dumps(client.document).encode())
    for schema in client.document["components"]["schemas"].values():
        client.schema(schema)


def test_answers_and_requests_are_as_documented(client: Client) -> None:
    cron = [{"expression": "0 9 * * *"}]
    with origin() as served:
        served.serve("/openapi.json", BOOKS)
        file = {"function": "books", "upstream": served.url, "config": {"cron": cron}}
        first = client("deploy", {"project": json.dumps(file)})
        client("deploy", {"url": served.url, "slug": "books", "createToken": False})
        client("rollback", {"id": first["id"]}, slug="books")
    for endpoint in ENDPOINTS:
        segments = set(re.findall(r"\{(\w+)\}", endpoint.path))
        is_open = endpoint.scope != "local" and endpoint.operation not in NEED_AN_EDGE
        if endpoint.method == "GET" and is_open and segments <= OF_A_FUNCTION:
            client(endpoint.operation, slug="books", function="books")
    client("deployment", slug="books", id=first["id"])
    client("download", slug="books", id=first["id"])
    client("cron_runs", query="?limit=3", slug="books")
    client("rotate_signing_secret", {"overlap": 5}, slug="books")
    made = client("create_token", {"name": "ci", "expiresIn": 60}, function="books")
    client("tokens", query="?function=books")
    client("check_token", {"secret": made["token"]})
    client("rotate_token", {}, function="books", token="ci")
    client("revoke_token", function="books", token="ci")
    client("set_secrets", {"values": {"A": "b"}}, function="books")
    client("delete_secret", function="books", name="A")
    client("logs", query="?limit=1", function="books")
    client("audit", query="?function=books&limit=50&within=3600")
    client("delete_function", slug="books")
    files = {"put_code", "download_code"}
    of_the_machine = {e.operation for e in ENDPOINTS if e.scope == "local"}
    left = {e.operation for e in ENDPOINTS} - client.asked
    assert left == files | of_the_machine | NEED_AN_EDGE


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/v1/functions/nothing", None),
        ("POST", "/v1/functions/*/tokens", b'{"name": 1}'),
        ("POST", "/v1/functions/*/tokens", b"{"),
        ("PUT", "/v1/edge", b""),
        ("GET", "/v1/nothing", None),
    ],
)
def test_a_refusal_is_as_documented(
    method: str, target: str, body: bytes | None, client: Client
) -> None:
    status, answer = client.send(method, target, body)
    assert 400 <= status < 500
    client.schema({"$ref": "#/components/schemas/Failure"}).validate(answer)


def test_the_document_needs_a_good_token(client: Client) -> None:
    client._token = "jfn_pat_wrong"
    assert client.send("GET", "/v1/openapi.json")[0] == 401


SOMETHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
ASKED = [e for e in ENDPOINTS if not e.takes and not e.gives and e.scope != "local"]


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A request to some operation, each argument of which is as it should be, or anything."""
    endpoint = draw(st.sampled_from(ASKED))
    segment = st.sampled_from(["books", "*", "default"]) | st.text(min_size=1, max_size=12)
    target = re.sub(r"\{\w+\}", lambda _: quote(draw(segment), safe=""), ROOT + endpoint.path)
    keys = [key for key in endpoint.arguments if f"{{{key}}}" not in endpoint.segments]
    if endpoint.whole_body:
        keys = ["project", "url", "slug", "document", "dryRun", "code", "expectTools"]
    values = draw(st.fixed_dictionaries({}, optional=dict.fromkeys(keys, SOMETHING)))
    if endpoint.method == "GET":
        values.pop("wait", None)
        return "GET", f"{target}?{urlencode(values)}", None
    body = draw(st.just(values) | SOMETHING) if endpoint.method == "POST" else None
    return endpoint.method, target, body


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=requests())
def test_whatever_is_asked_the_answer_is_as_documented_and_no_failure_inside(
    asked: tuple[str, str, Any], client: Client
) -> None:
    method, target, body = asked
    status, answer = client.send(method, target, json.dumps(body).encode() if body else None)
    assert status in {200, 400, 403, 404, 405, 409, 413, 415, 422} or _is_not_running(answer)
    if status != 200:
        client.schema({"$ref": "#/components/schemas/Failure"}).validate(answer)


def _is_not_running(answer: Any) -> bool:
    return bool(answer["error"]["code"] == "TRANSIENT_ERROR")
