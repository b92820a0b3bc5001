"""Deploying: what becomes live, what is told, and that nothing is ever lost or half done."""

import json
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations
from edge.admin.operations import DeployRequest
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
        served.serve("/books", {"books": []})
        yield served


def request(upstream: str, slug: str = "books", **more: Any) -> DeployRequest:
    return DeployRequest(project=json.dumps({"function": slug, "upstream": upstream, **more}))


def refusal(edge: LocalOperations, asked: DeployRequest) -> AdminError:
    with pytest.raises(AdminError) as raised:
        edge.deploy(asked)
    return raised.value


def test_the_first_deploy_makes_the_function_and_its_token(
    edge: LocalOperations, function: Origin
) -> None:
    result = edge.deploy(request(function.url))
    assert (result.first, result.changed, result.warnings) == (True, True, ())
    assert [tool.name for tool in result.tools] == ["addBook", "getBook", "listBooks"]
    assert result.url == "http://127.0.0.1:8080/books"
    assert result.mcp_url == "http://127.0.0.1:8080/books/mcp"
    verdict = edge.check_token(result.token or "")
    assert (verdict.valid, verdict.name, verdict.function) == (True, "default", "books")


def test_a_later_deploy_makes_no_token(edge: LocalOperations, function: Origin) -> None:
    first = edge.deploy(request(function.url))
    second = edge.deploy(request(function.url, description="new"))
    assert (second.first, second.changed, second.token) == (False, True, None)
    assert second.id != first.id
    assert len(edge.tokens("books")) == 1


def test_no_token_is_made_where_none_is_wanted(edge: LocalOperations, function: Origin) -> None:
    asked = request(function.url)
    result = edge.deploy(DeployRequest(project=asked.project, create_token=False))
    assert result.token is None
    assert edge.tokens("books") == ()


def test_what_equals_the_live_deployment_makes_nothing(
    edge: LocalOperations, function: Origin
) -> None:
    first = edge.deploy(request(function.url))
    again = edge.deploy(request(function.url))
    assert (again.changed, again.id, again.url) == (False, first.id, first.url)
    assert len(edge.deployments("books")) == 1


def test_a_dry_run_writes_nothing(edge: LocalOperations, function: Origin) -> None:
    asked = request(function.url)
    result = edge.deploy(DeployRequest(project=asked.project, dry_run=True))
    assert (result.id, result.token, result.dry_run) == (None, None, True)
    assert (result.first, result.changed) == (True, True)
    assert len(result.tools) == 3
    assert edge.functions() == ()
    assert edge.tokens() == ()
    edge.deploy(asked)
    again = edge.deploy(DeployRequest(project=asked.project, dry_run=True))
    assert (again.first, again.changed) == (False, False)


def test_every_problem_of_a_project_file_is_told_at_once(edge: LocalOperations) -> None:
    text = '{\n  "functoin": "x",\n  "upstream": "ftp://x",\n  "config": {"timeuot": 1}\n}'
    error = refusal(edge, DeployRequest(project=text))
    assert error.code == "VALIDATION_ERROR"
    assert 'line 2: functoin: unknown key "functoin"; did you mean "function"?' in error.message
    assert "line 3: upstream" in error.message
    assert 'did you mean "timeout"?' in error.message
    assert edge.functions() == ()


def test_a_function_that_is_down_is_deployed_with_a_warning(edge: LocalOperations) -> None:
    result = edge.deploy(request(f"http://127.0.0.1:{free_port()}"))
    assert result.changed
    assert result.token is not None
    assert "could not be fetched" in result.warnings[0]
    assert "its tools appear once" in result.warnings[0]


def test_a_broken_document_says_where_and_does_not_stop_the_deploy(
    edge: LocalOperations, function: Origin
) -> None:
    function.serve("/openapi.json", b'{"openapi": "3.1.0",\n"paths": oops}')
    result = edge.deploy(request(function.url))
    assert result.changed
    assert "broken" in result.warnings[0]
    assert "line 2, column" in result.warnings[0]


@pytest.mark.parametrize("state", ["down", "broken"])
def test_a_hiccup_of_the_document_does_not_take_the_tools_away(
    edge: LocalOperations, function: Origin, state: str
) -> None:
    edge.deploy(request(function.url))
    function.serve("/openapi.json", b"oops", 200 if state == "broken" else 503)
    again = edge.deploy(request(function.url, description="new"))
    assert again.changed
    assert len(again.tools) == 3
    assert "deployed before is kept" in again.warnings[0]


def test_no_document_and_no_tools_is_told(edge: LocalOperations, function: Origin) -> None:
    function.answers.clear()
    result = edge.deploy(request(function.url))
    assert result.warnings == (
        'There is no OpenAPI document and no "tools": the list of tools is empty.',
    )


def test_a_document_that_is_named_and_absent_is_told(
    edge: LocalOperations, function: Origin
) -> None:
    result = edge.deploy(request(function.url, openapi="/api.json"))
    assert "/api.json answers 404" in result.warnings[0]


def test_a_host_of_another_function_is_refused_and_nothing_is_written(
    edge: LocalOperations, function: Origin
) -> None:
    edge.deploy(request(function.url, hosts=["api.shop.example"]))
    asked = request(function.url, "other", hosts=["api.shop.example"])
    for attempt in (asked, DeployRequest(project=asked.project, dry_run=True)):
        error = refusal(edge, attempt)
        assert (error.code, error.status) == ("VALIDATION_ERROR", 409)
        assert "books" in error.message
    assert edge.tokens("*") == ()
    assert [f.slug for f in edge.functions()] == ["books"]


@pytest.mark.parametrize("place", ["/openapi.json", "/swagger.json", "/v3/api-docs"])
def test_a_bare_address_finds_its_document(
    edge: LocalOperations, function: Origin, place: str
) -> None:
    del function.answers["/openapi.json"]
    function.serve(place, BOOKS)
    result = edge.deploy(DeployRequest(url=function.url, slug="books"))
    assert len(result.tools) == 3
    assert result.project.get("openapi", "/openapi.json") == place
    again = edge.deploy(DeployRequest(url=function.url, slug="books"))
    assert not again.changed


def test_a_bare_address_that_goes_down_keeps_its_document(
    edge: LocalOperations, function: Origin
) -> None:
    function.answers["/v3/api-docs"] = function.answers.pop("/openapi.json")
    first = edge.deploy(DeployRequest(url=function.url, slug="books"))
    function.serve("/v3/api-docs", {}, 503)
    again = edge.deploy(DeployRequest(url=function.url, slug="books"))
    assert (again.changed, again.id, len(again.tools)) == (False, first.id, 3)


@pytest.mark.parametrize("url", ["http://user:secret@x", "ftp://x", "http://", "http://x:99999"])
def test_a_bad_address_is_refused_without_repeating_a_password(
    edge: LocalOperations, url: str
) -> None:
    error = refusal(edge, DeployRequest(url=url))
    assert error.code == "INPUT_ERROR"
    assert "secret" not in error.message


def test_the_example_works_in_a_shell(edge: LocalOperations, function: Origin) -> None:
    result = edge.deploy(DeployRequest(url=function.url, slug="books"))
    assert result.example is not None
    command = result.example.replace(result.url, function.url)
    answer = subprocess.run(command, shell=True, capture_output=True, timeout=10, check=True)
    assert json.loads(answer.stdout) == {"books": []}
    path, headers = function.requests[-1]
    assert path == "/books"
    assert headers["X-Jelou-Token"] == result.token


def test_the_example_names_a_variable_where_the_token_is_not_known(
    edge: LocalOperations, function: Origin
) -> None:
    edge.deploy(request(function.url))
    again = edge.deploy(request(function.url))
    assert again.example is not None
    assert '-H "X-Jelou-Token: $JELOU_FUNCTION_TOKEN"' in again.example


def test_a_late_document_becomes_a_deployment_of_its_own(
    edge: LocalOperations, function: Origin
) -> None:
    function.serve("/openapi.json", {}, 503)
    deployed = edge.deploy(request(function.url))
    assert edge.refresh_documents(lambda: 100.0) == ()
    function.serve("/openapi.json", BOOKS)
    assert edge.refresh_documents(lambda: 101.0) == (), "looked just now"
    (found,) = edge.refresh_documents(lambda: 120.0)
    assert found.function == "books"
    assert found.deployment != deployed.id
    assert edge.deployment("books", found.deployment).origin == "document"
    assert len(edge.function("books").tools) == 3


def test_a_function_that_stays_away_is_asked_less_and_less(
    edge: LocalOperations, function: Origin
) -> None:
    function.serve("/openapi.json", {}, 503)
    edge.deploy(request(function.url))
    asked = []
    for second in range(1000):
        before = len(function.requests)
        edge.refresh_documents(lambda now=float(second): now)
        asked += [second] if len(function.requests) > before else []
    assert asked == [0, 2, 6, 14, 30, 62, 126, 254, 510, 810]


def test_a_changed_document_is_found_at_its_interval(
    edge: LocalOperations, function: Origin
) -> None:
    edge.deploy(request(function.url, openapiRefresh=60))
    assert edge.refresh_documents(lambda: 1000.0) == ()
    looked = len(function.requests)
    changed = {**BOOKS, "paths": {"/books": {"get": BOOKS["paths"]["/books"]["get"]}}}
    function.serve("/openapi.json", changed)
    assert edge.refresh_documents(lambda: 1059.0) == ()
    assert len(function.requests) == looked, "not due yet"
    assert len(edge.refresh_documents(lambda: 1060.0)) == 1
    assert [tool.name for tool in edge.function("books").tools] == ["listBooks"]


def test_a_document_that_breaks_later_changes_nothing(
    edge: LocalOperations, function: Origin
) -> None:
    deployed = edge.deploy(request(function.url))
    edge.refresh_documents(lambda: 0.0)
    function.serve("/openapi.json", b"oops")
    assert edge.refresh_documents(lambda: 1000.0) == ()
    assert edge.function("books").deployment == deployed.id


def test_two_first_deploys_at_once_make_one_token(edge: LocalOperations, function: Origin) -> None:
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(edge.deploy(request(function.url))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len([result for result in results if result.token]) == 1
    assert len([result for result in results if result.first]) == 1
    assert len(edge.tokens("books")) == 1


def test_a_token_that_cannot_be_made_leaves_no_function(
    edge: LocalOperations, function: Origin, tmp_path: Path
) -> None:
    """A damaged token table stands for anything that may go wrong between the two."""
    with sqlite3.connect(tmp_path / "data" / "edge.db") as raw:
        raw.execute("CREATE TRIGGER t BEFORE INSERT ON tokens BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
        edge.deploy(request(function.url))
    assert edge.functions() == ()


def test_files_of_the_project_are_where_the_project_is(
    edge: LocalOperations, function: Origin, tmp_path: Path
) -> None:
    asked = request(function.url, openapi="./api.json")
    with_file = DeployRequest(project=asked.project, base=str(tmp_path), document=json.dumps(BOOKS))
    assert len(edge.deploy(with_file).tools) == 3
    assert edge.refresh_documents(lambda: 10_000.0) == ()
    assert refusal(edge, DeployRequest(project=asked.project)).code == "INPUT_ERROR"


def test_deleting_ends_the_tokens_for_good(edge: LocalOperations, function: Origin) -> None:
    first = edge.deploy(request(function.url))
    assert edge.delete_function("books").tokens == 1
    again = edge.deploy(request(function.url))
    assert again.first
    assert again.token != first.token
    assert edge.check_token(first.token or "").reason == "revoked"


def test_rollback_restores_the_deployment_before(edge: LocalOperations, function: Origin) -> None:
    first = edge.deploy(request(function.url))
    second = edge.deploy(request(function.url, description="two"))
    assert edge.rollback("books").id == first.id
    assert edge.function("books").deployment == first.id
    assert edge.rollback("books", second.id).id == second.id
    with pytest.raises(AdminError) as raised:
        edge.rollback("books", "dep_nowhere0")
    assert raised.value.code == "NOT_FOUND"


def test_a_rollback_is_not_undone_by_the_document_that_it_left(
    edge: LocalOperations, function: Origin
) -> None:
    first = edge.deploy(request(function.url, openapiRefresh=60))
    function.serve("/openapi.json", {**BOOKS, "paths": {}})
    edge.deploy(request(function.url, openapiRefresh=60))
    edge.rollback("books")
    assert edge.refresh_documents(lambda: 1000.0) == ()
    assert edge.refresh_documents(lambda: 1060.0) == ()
    assert edge.function("books").deployment == first.id
    function.serve("/openapi.json", {**BOOKS, "paths": {"/new": {"get": {"operationId": "new"}}}})
    assert len(edge.refresh_documents(lambda: 1120.0)) == 1
    assert [tool.name for tool in edge.function("books").tools] == ["new"]


def test_a_rollback_to_a_time_without_document_stays_there(
    edge: LocalOperations, function: Origin
) -> None:
    function.serve("/openapi.json", {}, 503)
    edge.deploy(request(function.url))
    function.serve("/openapi.json", BOOKS)
    edge.refresh_documents(lambda: 0.0)
    assert len(edge.function("books").tools) == 3
    edge.rollback("books")
    assert edge.refresh_documents(lambda: 1000.0) == ()
    assert edge.function("books").tools == ()


def test_public_url_is_the_base_of_what_is_printed(tmp_path: Path, function: Origin) -> None:
    with store(tmp_path / "data", public_url="https://fn.example") as edge:
        assert edge.deploy(request(function.url)).url == "https://fn.example/books"
