"""The management API and its client, over real sockets: the same operations, and no way round."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge.admin import local_tokens, token_operations
from edge.admin.api import AdminApi
from edge.admin.client import HttpTransport, RemoteOperations, UnixTransport, check_url
from edge.admin.codec import LARGEST, encode
from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations
from edge.admin.operations import DeployRequest
from edge.admin.routes import ENDPOINTS
from edge.admin.token_operations import all_tokens
from mcp_bridge.document import MAX_DOCUMENT
from mcp_bridge.tool_changes import ToolChanges
from tests.support.asgi_server import on_tcp, on_unix
from tests.support.documents_origin import BOOKS, Origin, free_port, origin
from tests.support.operations import store


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def function() -> Iterator[Origin]:
    with origin() as served:
        served.serve("/openapi.json", BOOKS)
        yield served


@pytest.fixture
def local(edge: LocalOperations, tmp_path: Path) -> Iterator[RemoteOperations]:
    """The client of the Unix socket."""
    with on_unix(AdminApi(edge), tmp_path / "admin.sock") as path:
        yield RemoteOperations(UnixTransport(path))


@dataclass(frozen=True)
class Remote:
    url: str
    token: str


@pytest.fixture
def remote(edge: LocalOperations) -> Iterator[Remote]:
    """The admin address, with a good access token."""
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        yield Remote(url, edge.create_access("laptop").token)


def call(
    url: str,
    method: str = "GET",
    path: str = "/v1/functions",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], Any]:
    """One raw request; header names with `_` for `-`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=fields)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, answer


def bearer(remote: Remote) -> dict[str, str]:
    return {"Authorization": f"Bearer {remote.token}"}


def test_the_client_gives_what_the_operations_give(
    local: RemoteOperations, edge: LocalOperations, function: Origin
) -> None:
    project = json.dumps({"function": "books", "upstream": function.url})
    deployed = local.deploy(DeployRequest(project=project))
    again = replace(
        deployed,
        tool_changes=ToolChanges(),
        changed=False,
        first=False,
        token=None,
        example=None,
    )
    unchanged = replace(edge.deploy(DeployRequest(project=project)), example=None)
    assert encode(unchanged) == encode(again)
    assert encode(local.functions()) == encode(edge.functions())
    assert encode(local.function("books")) == encode(edge.function("books"))
    assert encode(local.deployments("books")) == encode(edge.deployments("books"))
    assert local.deployment("books", str(deployed.id)) == local.deployments("books")[0]
    assert local.download("books", str(deployed.id)).document == json.dumps(BOOKS)
    assert local.info() == edge.info()
    assert local.whoami() == edge.whoami()
    made = local.create_token("books", "ci", expires_in=60, scopes=("mcp",), rate="9/m")
    assert (made.scopes, made.rate) == (("mcp",), "9/m")
    assert local.check_token(made.token).valid
    assert local.rotate_token("books", "ci", overlap=30).token != made.token
    assert encode(local.tokens("books")) == encode(edge.tokens("books"))
    assert local.revoke_token("books", "ci").name == "ci"
    assert local.create_token("*", "wide").function == "*"
    assert local.create_access("x").id == local.access_tokens()[0].id
    assert local.revoke_access("x").name == "x"
    assert local.delete_function("books").function == "books"
    assert local.functions() == ()


def test_tokens_are_listed_page_by_page(
    local: RemoteOperations, edge: LocalOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (token_operations, local_tokens):
        monkeypatch.setattr(module, "TOKENS_AT_ONCE", 3)
    made = [edge.create_token("*", f"t{number}") for number in range(10)]
    for token in made[1:6]:
        edge.revoke_token("*", token.id)
    left = [token.id for token in (made[0], *made[6:])]
    assert [token.id for token in local.tokens("*")] == left[:3]
    assert [token.id for token in local.tokens("*", made[2].id)] == left[1:4]
    assert local.tokens("*", left[-1]) == ()
    for function in ("*", None):
        assert [token.id for token in all_tokens(local, function)] == left


def test_errors_arrive_as_they_were_raised(local: RemoteOperations) -> None:
    for operation in (
        lambda: local.function("nowhere"),
        lambda: local.rollback("nowhere"),
        lambda: local.create_token("nowhere", "n"),
        lambda: local.revoke_token("nowhere", "n"),
    ):
        with pytest.raises(AdminError) as raised:
            operation()
        assert (raised.value.code, raised.value.status) == ("NOT_FOUND", 404)
    with pytest.raises(AdminError) as raised:
        local.create_token("*", "n", scopes=("nope",))
    assert raised.value.code == "VALIDATION_ERROR"
    assert "nope" in raised.value.message
    with pytest.raises(AdminError) as raised:
        local.deploy(DeployRequest(project="{}"))
    assert "line 1: function: is missing" in raised.value.message


def test_every_operation_has_one_address() -> None:
    shapes = [(e.method, re.sub(r"\{\w+\}", "{}", e.path)) for e in ENDPOINTS]
    assert len(set(shapes)) == len(shapes)
    operations = {n for n in vars(RemoteOperations) if not n.startswith("_")}
    assert {endpoint.operation for endpoint in ENDPOINTS} == operations


def test_names_survive_the_path(local: RemoteOperations) -> None:
    for odd in ("a/b", "../x", "a%2Fb", "é ü", "?x=1"):
        with pytest.raises(AdminError) as raised:
            local.function(odd)
        assert raised.value.code == "NOT_FOUND"
        assert odd in raised.value.message


def test_an_access_token_opens_the_admin_address(remote: Remote) -> None:
    operations = RemoteOperations(HttpTransport(remote.url, remote.token))
    assert operations.functions() == ()
    assert operations.whoami().name == "laptop"
    assert operations.whoami().type == "access_token"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "MISSING_AUTH"),
        ({"Authorization": "Bearer jfn_pat_nonsense"}, "AUTH_ERROR"),
        ({"Authorization": "Basic eDp5"}, "AUTH_ERROR"),
        ({"Authorization": "Bearer"}, "AUTH_ERROR"),
        ({"X_Jelou_Token": "jfn_rt_x"}, "MISSING_AUTH"),
    ],
)
def test_nothing_is_answered_without_a_good_access_token(
    remote: Remote, given: dict[str, str], code: str
) -> None:
    for path in ("/v1/functions", "/v1/nothing", "/", "/v1/functions/x"):
        status, headers, answer = call(remote.url, path=path, **given)
        assert (status, answer["error"]["code"]) == (401, code)
        assert headers["www-authenticate"].startswith("Bearer")
        assert headers["cache-control"] == "no-store"


def test_a_revoked_access_token_is_refused_at_once(remote: Remote, edge: LocalOperations) -> None:
    assert call(remote.url, **bearer(remote))[0] == 200
    edge.revoke_access("laptop")
    assert call(remote.url, **bearer(remote))[0] == 401


def test_a_runtime_token_manages_nothing(remote: Remote, edge: LocalOperations) -> None:
    runtime = edge.create_token("*", "wide").token
    assert call(remote.url, Authorization=f"Bearer {runtime}")[0] == 401


def test_last_use_of_an_access_token_is_noted(remote: Remote, edge: LocalOperations) -> None:
    assert edge.access_tokens()[0].last_used is None
    call(remote.url, **bearer(remote))
    assert edge.access_tokens()[0].last_used is not None


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/access"), ("POST", "/v1/access"), ("DELETE", "/v1/access/x")]
)
def test_access_tokens_are_managed_on_the_machine_alone(
    remote: Remote, method: str, path: str
) -> None:
    status, _, answer = call(remote.url, method, path, b"{}", **bearer(remote))
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8080"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_what_a_web_page_could_send_is_refused(remote: Remote, headers: dict[str, str]) -> None:
    status, _, answer = call(remote.url, **bearer(remote), **headers)
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")


def test_its_own_origin_is_no_stranger(remote: Remote) -> None:
    assert call(remote.url, **bearer(remote), Origin=remote.url)[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_taken(remote: Remote, kind: str) -> None:
    path = "/v1/functions/*/tokens"
    body = b'{"name": "n"}'
    status, _, _ = call(remote.url, "POST", path, body, **bearer(remote), Content_Type=kind)
    assert status == 415


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
        (b"{}", "name is missing"),
        (b'{"name": 1}', "name must be a string"),
        (b'{"name": "n", "scopes": "mcp"}', "scopes must be an array"),
        (b'{"name": "n", "expiresIn": "1d"}', "expiresIn must be a number"),
        (b'{"name": "n", "colour": 1}', "colour is not known; known are function, name"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_body_says_what_is_wrong(remote: Remote, body: bytes, told: str) -> None:
    path, kind = "/v1/functions/*/tokens", "application/json"
    status, _, answer = call(remote.url, "POST", path, body, **bearer(remote), Content_Type=kind)
    assert (status, answer["error"]["code"]) == (400, "INPUT_ERROR")
    assert told in answer["error"]["message"]


@pytest.mark.parametrize("query", ["limit=", "limit=x", "limit=1.5", "limit=-", "before="])
def test_a_number_in_a_query_is_one(remote: Remote, query: str) -> None:
    status, _, answer = call(remote.url, path=f"/v1/audit?{query}", **bearer(remote))
    name = query.partition("=")[0]
    assert status == 400
    assert f"{name} must be an integer" in answer["error"]["message"]


def test_a_body_has_a_limit(remote: Remote) -> None:
    body = b'"' + b"x" * LARGEST + b'"'
    kind = "application/json"
    path = "/v1/deployments"
    status, _, _ = call(remote.url, "POST", path, body, **bearer(remote), Content_Type=kind)
    assert status == 413


def test_the_largest_document_passes_in_and_out(local: RemoteOperations) -> None:
    before, after = b'{"openapi": "3.1.0", "paths": {}, "x-note": "', b'"}'
    letters = "é" * ((MAX_DOCUMENT - len(before) - len(after)) // 2)
    document = f"{before.decode()}{letters}{after.decode()}"
    file = {"function": "big", "upstream": "http://127.0.0.1:9000", "openapi": "./openapi.json"}
    deployed = local.deploy(DeployRequest(project=json.dumps(file), document=document))
    assert local.download("big", str(deployed.id)).document == document


def test_another_method_is_named(remote: Remote) -> None:
    status, headers, _ = call(remote.url, "PUT", "/v1/access/x", **bearer(remote))
    assert (status, headers["allow"]) == (405, "DELETE")


def test_an_operation_that_fails_inside_says_nothing_of_the_inside(tmp_path: Path) -> None:
    class Broken:
        def functions(self) -> None:
            raise RuntimeError("secret place jfn_rt_x")

    with on_tcp(AdminApi(Broken())) as url:  # type: ignore[arg-type]
        status, _, answer = call(url)
    assert (status, answer["error"]["code"]) == (500, "UNKNOWN_ERROR")
    assert "secret" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://edge.example", "in the clear"),
        ("http://127.0.0.1.evil.example", "in the clear"),
        ("https://user:pw@edge.example", "scheme, host and port alone"),
        ("https://edge.example/path", "scheme, host and port alone"),
        ("ftp://edge.example", "no edge's URL"),
        ("edge.example", "no edge's URL"),
        ("https://edge.example:99999", "no URL"),
    ],
)
def test_a_url_that_would_leak_or_is_none_is_refused(url: str, told: str) -> None:
    with pytest.raises(AdminError, match=told):
        check_url(url)


def test_one_edge_has_one_spelling() -> None:
    assert check_url("HTTPS://Edge.Example:443/") == check_url("https://edge.example:443")


def test_a_redirect_does_not_carry_the_token_elsewhere() -> None:
    with origin() as thief, origin() as served:
        served.serve("/v1/functions", {}, 307, Location=f"{thief.url}/v1/functions")
        with pytest.raises(AdminError) as raised:
            RemoteOperations(HttpTransport(served.url, "jfn_pat_x")).functions()
        assert raised.value.code == "API_ERROR"
        assert thief.requests == []


def test_what_is_no_edge_is_told() -> None:
    with origin() as served:
        served.serve("/v1/functions", b"<html>")
        with pytest.raises(AdminError, match="not an edge's management API"):
            RemoteOperations(HttpTransport(served.url, "jfn_pat_x")).functions()
    with pytest.raises(AdminError) as raised:
        RemoteOperations(HttpTransport(f"http://127.0.0.1:{free_port()}", "x")).functions()
    assert raised.value.code == "NETWORK_ERROR"


def test_a_socket_whose_path_is_long_is_reached(edge: LocalOperations, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with on_unix(AdminApi(edge), tmp_path / "a.sock") as path:
        path.rename(deep / "admin.sock")
        assert RemoteOperations(UnixTransport(deep / "admin.sock")).functions() == ()


def test_a_client_that_hangs_up_in_the_middle_harms_nobody(remote: Remote) -> None:
    address = urlsplit(remote.url)
    with socket.create_connection((address.hostname, address.port or 0), 5) as raw:
        raw.sendall(
            b"POST /v1/deployments HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer "
            + remote.token.encode()
            + b"\r\n\r\n{"
        )
    assert call(remote.url, **bearer(remote))[0] == 200
