"""Who may manage an edge from elsewhere, and what for: attacks on the management API's gate."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.admin.api import AdminApi
from edge.admin.client import HttpTransport, RemoteOperations, UnixTransport
from edge.admin.errors import AdminError
from edge.admin.failed_logins import A_MINUTE, SOURCES, FailedLogins
from edge.admin.local import LocalOperations
from edge.admin.routes import ENDPOINTS, ROOT, Endpoint
from tests.support.asgi_server import on_tcp, on_unix
from tests.support.operations import store
from tokens.model import ACCESS_SCOPES


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def url(edge: LocalOperations) -> Iterator[str]:
    with on_tcp(AdminApi(edge, edge.authenticate)) as address:
        yield address


def ask(
    url: str, token: str | None, method: str = "GET", path: str = "/v1/edge", **more: str
) -> tuple[int, dict[str, str], str | None]:
    """Status, header fields and error code of one request."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    fields = {name.replace("_", "-"): value for name, value in more.items()}
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    body = b"{}" if method in {"POST", "PUT"} else None
    if method == "POST":
        fields["Content-Type"] = "application/json"
    with closing(connection):
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        raw = response.read()
        answer = json.loads(raw) if raw.startswith(b"{") else {}
    headers = {name.lower(): value for name, value in response.getheaders()}
    return response.status, headers, answer.get("error", {}).get("code")


def target(endpoint: Endpoint) -> str:
    """An address of an operation, about things that are not there."""
    return ROOT + "/".join(
        "nothing" if part.startswith("{") else part for part in endpoint.path.split("/")
    )


NEEDING = [endpoint for endpoint in ENDPOINTS if endpoint.scope not in ("any", "local")]


@pytest.mark.parametrize("scope", [scope for scope in ACCESS_SCOPES if scope != "all"])
def test_a_token_of_one_scope_does_that_and_nothing_else(
    scope: str, edge: LocalOperations, url: str
) -> None:
    token = edge.create_access("limited", scopes=(scope,)).token
    for endpoint in NEEDING:
        status, _, code = ask(url, token, endpoint.method, target(endpoint))
        assert (status == 403) == (endpoint.scope != scope), (endpoint.operation, status, code)


@pytest.mark.parametrize("scopes", [(), ("all",), ("read", "all")])
def test_a_token_without_limits_does_everything_but_make_another(
    scopes: tuple[str, ...], edge: LocalOperations, url: str
) -> None:
    token = edge.create_access("whole", scopes=scopes).token
    for endpoint in ENDPOINTS:
        status, _, _ = ask(url, token, endpoint.method, target(endpoint))
        assert (status == 403) == (endpoint.scope == "local"), endpoint.operation


def test_every_operation_names_what_it_needs() -> None:
    known = {scope for scope in ACCESS_SCOPES if scope != "all"}
    assert {endpoint.scope for endpoint in NEEDING} == known
    reads = [e for e in ENDPOINTS if e.scope == "read" and e.method != "GET"]
    assert [endpoint.operation for endpoint in reads] == ["check_token"]


def test_a_limited_token_says_who_it_is_and_what_edge_that_is(
    edge: LocalOperations, url: str
) -> None:
    token = edge.create_access("limited", scopes=("read",)).token
    operations = RemoteOperations(HttpTransport(url, token))
    assert operations.whoami().name == "limited"
    assert operations.info().version == "1.2.3"
    with pytest.raises(AdminError, match="has not the scope tokens; its scopes are read"):
        operations.create_token("*", "n")


@pytest.mark.parametrize("scope", ["", "READ", "write", "read,deploy", "all:shop"])
def test_an_unknown_scope_is_refused(scope: str, edge: LocalOperations) -> None:
    with pytest.raises(AdminError, match="Unknown scope"):
        edge.create_access("x", scopes=(scope,))


def test_an_expired_token_is_refused_and_its_name_is_free(tmp_path: Path) -> None:
    with store(tmp_path / "data") as edge, on_tcp(AdminApi(edge, edge.authenticate)) as url:
        made = edge.create_access("ci", expires_in=3600.0)
        assert ask(url, made.token)[0] == 200
        with pytest.raises(AdminError, match="taken"):
            edge.create_access("ci")
        # Time passes in the clock that all of the edge's processes share.
        edge._database.mirror.raise_clock(int((made.created + 3601) * 1_000_000))
        assert ask(url, made.token)[0] == 401
        again = edge.create_access("ci")
        assert edge.revoke_access("ci").id == again.id


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_token_that_would_be_over_already_is_not_made(
    seconds: float, edge: LocalOperations
) -> None:
    with pytest.raises(AdminError):
        edge.create_access("x", expires_in=seconds)
    assert edge.access_tokens() == ()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "anything"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "none"}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Host": "evil.example"}, 403),
    ],
)
def test_what_a_browser_sends_for_another_page_is_refused(
    fields: dict[str, str], status: int, edge: LocalOperations, url: str
) -> None:
    assert ask(url, edge.create_access("x").token, **fields)[0] == status


def test_a_page_cannot_use_the_socket_through_a_proxy_either(
    edge: LocalOperations, tmp_path: Path
) -> None:
    with on_unix(AdminApi(edge), tmp_path / "admin.sock") as path:
        connection = UnixTransport(path).connection()
        connection.request("GET", "/v1/edge", headers={"Sec-Fetch-Site": "cross-site"})
        assert connection.getresponse().status == 403
        connection.close()


def test_a_cookie_opens_nothing_and_none_is_set(edge: LocalOperations, url: str) -> None:
    token = edge.create_access("x").token
    assert ask(url, None, Cookie=f"token={token}; Authorization=Bearer {token}")[0] == 401
    assert "set-cookie" not in ask(url, token)[1]


def test_who_fails_too_often_waits_and_a_good_token_never_does(
    edge: LocalOperations, url: str
) -> None:
    good = edge.create_access("x").token
    for _ in range(A_MINUTE):
        assert ask(url, "jfn_pat_wrong")[0] == 401
    status, headers, _ = ask(url, "jfn_pat_wrong")
    assert status == 429
    assert 1 <= int(headers["retry-after"]) <= 60
    assert ask(url, None)[0] == 429
    assert ask(url, good)[0] == 200


def test_a_minutes_worth_of_failures_may_come_at_once_and_then_one_each_interval() -> None:
    failed = FailedLogins()
    assert [failed.note("192.0.2.1", 0.0) for _ in range(A_MINUTE)] == [None] * A_MINUTE
    interval = 60.0 / A_MINUTE
    assert failed.note("192.0.2.1", 0.0) == interval
    assert failed.note("192.0.2.2", 0.0) is None
    assert failed.note("192.0.2.1", interval) is None
    assert failed.note("192.0.2.1", interval) == interval


def test_addresses_beyond_number_cost_bounded_memory_and_one_record() -> None:
    failed = FailedLogins()
    for number in range(3 * SOURCES):
        failed.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
    told = failed.due(1.0)
    assert told is not None
    assert told["failures"] == 3 * SOURCES
    assert len(str(told)) < 2000
    failed.note("192.0.2.1", 2.0)
    assert failed.due(2.0) is None
    assert failed.due(602.0) == {"failures": 1, "addresses": {"192.0.2.1": 1}}
    assert failed.due(9999.0) is None


def test_metrics_are_open_to_who_is_on_this_machine_and_else_to_who_may_read(
    edge: LocalOperations, tmp_path: Path
) -> None:
    reader = edge.create_access("reader", scopes=("read",)).token
    deployer = edge.create_access("deployer", scopes=("deploy",)).token
    api = AdminApi(edge, edge.authenticate, metrics=lambda: b"jelou_streams 1\n")
    with on_tcp(api) as here, on_tcp(api, "127.0.0.2") as elsewhere:  # not this machine's own name
        found = {
            (where, who): ask(url, token, path="/metrics")[0]
            for where, url in (("here", here), ("elsewhere", elsewhere))
            for who, token in (("nobody", None), ("reader", reader), ("deployer", deployer))
        }
        assert ask(here, None, "POST", "/metrics")[0] != 200
        assert ask(here, None, path="/metrics", Host="evil.example")[2] == "FORBIDDEN"
        assert ask(here, None, path="/metrics", Sec_Fetch_Site="cross-site")[2] == "FORBIDDEN"
    here_open = {("here", who): 200 for who in ("nobody", "reader", "deployer")}
    assert found == here_open | {
        ("elsewhere", "nobody"): 401,
        ("elsewhere", "reader"): 200,
        ("elsewhere", "deployer"): 403,
    }
