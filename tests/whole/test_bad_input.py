"""What is wrong is said, by the right one and in words that help; what is right goes on working."""

import json
import threading
from pathlib import Path

import pytest

from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest
from tests.support.edge import isolated
from tests.support.processes import JELOU, run
from tests.support.store_process import StoreProcess
from tests.support.whole_edge import UNAUTHORIZED, Caller, Edge
from tests.support.whole_function import Function, document, function
from tests.support.whole_processes import eventually

SLUG = "shop"
HELLO = f"/{SLUG}/hello"


@pytest.fixture
def edge(shared_edge: Edge) -> Edge:
    """Each test begins without functions."""
    return shared_edge


@pytest.fixture
def token(edge: Edge, origin: Function) -> str:
    """The token of a deployed function."""
    return edge.deploy(SLUG, origin.url).token or ""


def sent(caller: Caller, *tokens: str) -> tuple[int, bytes]:
    """Send so many token headers; status and body."""
    caller.connection.putrequest("GET", HELLO)
    for value in tokens:
        caller.connection.putheader("X-Jelou-Token", value)
    caller.connection.endheaders()
    answer = caller.receive()
    return answer.status, answer.body


def test_every_bad_token_gets_the_same_401(edge: Edge, origin: Function, token: str) -> None:
    other = edge.deploy("other", origin.url).token or ""
    good = edge.operations.create_token(SLUG, "second").token
    origin.requests.clear()
    bad: list[tuple[str, ...]] = [
        (),
        ("",),
        ("nonsense",),
        (token[:-1],),
        (token + "x" * 5000,),
        ("x" * 5000,),
        (token, token),
        (token, good),
        (token, "nonsense"),
        (other,),
        (f"{token}, {good}",),
        (f"Bearer {token}",),
    ]
    for tokens in bad:
        assert sent(edge.caller(), *tokens) == (401, UNAUTHORIZED), tokens
    assert origin.requests == []
    assert sent(edge.caller(), token)[0] == 200
    assert edge.caller().ask(f"{HELLO}?token={token}").status == 401


def test_an_unknown_key_is_named_with_its_line_and_the_live_version_goes_on(
    edge: Edge, origin: Function, token: str, tmp_path: Path
) -> None:
    (tmp_path / "jelou.json").write_text(
        f'{{\n "function": "{SLUG}",\n "upstream": "{origin.url}",\n'
        ' "config": {\n  "timout": 3000\n },\n "openapy": false\n}\n'
    )
    command = [*JELOU, "deploy", str(tmp_path), "--data-dir", str(edge.data_dir), "--no-input"]
    done = run(command, env=isolated(edge.data_dir))
    assert done.returncode == 1
    for part in ("line 5", '"timout"', '"timeout"', "line 7", '"openapy"', '"openapi"'):
        assert part in done.stderr
    assert edge.caller().ask(HELLO, token).status == 200
    assert len(edge.operations.deployments(SLUG)) == 1


def tools(edge: Edge, token: str) -> list[str]:
    """The names that `/mcp` lists."""
    answer = edge.caller().rpc(f"/{SLUG}/mcp", token, "tools/list")
    return [tool["name"] for tool in answer.json["result"]["tools"]]


def test_a_function_that_is_down_at_deploy_gets_its_tools_once_it_is_up(edge: Edge) -> None:
    with function() as gone:
        port = int(gone.url.rpartition(":")[2])
    text = json.dumps({"function": SLUG, "upstream": gone.url, "openapiRefresh": 1})
    deployed = edge.operations.deploy(DeployRequest(project=text))
    token = deployed.token or ""
    assert any(gone.url in warning for warning in deployed.warnings)
    assert tools(edge, token) == []
    answer = edge.caller().ask(HELLO, token)
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    with function(port):
        eventually(lambda: tools(edge, token) == ["hello", "hold"], "the document has arrived")
        assert edge.caller().ask(HELLO, token).status == 200
        assert edge.caller().ask(f"/{SLUG}/openapi.json").status == 200
    [newest, first] = edge.operations.deployments(SLUG)
    assert (newest.origin, newest.live, first.id) == ("document", True, deployed.id)


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        (b'{"openapi": "3.1.0",\n "paths": {]}', "line 2"),
        (b'{"openapi": "3.1.0", "paths": 7}', "paths"),
        (b"<html>not here</html>", "/openapi.json"),
    ],
)
def test_a_broken_document_is_named_and_plain_http_goes_on(
    edge: Edge, origin: Function, broken: bytes, where: str
) -> None:
    origin.openapi = broken
    deployed = edge.deploy(SLUG, origin.url)
    assert where in " ".join(deployed.warnings)
    assert edge.caller().ask(HELLO, deployed.token).status == 200
    origin.openapi = document("mended")
    assert not edge.deploy(SLUG, origin.url).warnings
    assert tools(edge, deployed.token or "") == ["mended"]


@pytest.mark.slow
def test_a_store_locked_by_another_process_costs_writers_an_error_and_callers_nothing(
    edge: Edge, token: str
) -> None:
    cold = edge.operations.create_token(SLUG, "never used").token
    failures: list[str] = []

    def create() -> None:
        try:
            edge.operations.create_token(SLUG, "while locked")
        except AdminError as error:
            failures.append(str(error))

    with StoreProcess(edge.data_dir) as holder:
        holder.open()
        assert holder.ask("hold") == "held"
        writer = threading.Thread(target=create)
        writer.start()
        assert edge.caller().ask(HELLO, token).status == 200
        assert edge.caller().ask(HELLO, cold).status == 200
        assert edge.caller().ask(HELLO).status == 401
        writer.join(20)
        assert holder.ask("go") == "released"
    [said] = failures
    assert "locked" in said
    names = {info.name for info in edge.operations.tokens(SLUG)}
    assert "while locked" not in names
    assert edge.operations.create_token(SLUG, "while locked").token
