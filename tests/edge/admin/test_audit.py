"""Every change has its record, by whom it was, and nothing that is refused has one."""

import http.client
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge.admin import local_tokens
from edge.admin.api import AdminApi
from edge.admin.audit_operations import AuditRecord
from edge.admin.client import HttpTransport, RemoteOperations
from edge.admin.errors import AdminError
from edge.admin.local import LocalOperations
from edge.admin.operations import DeployRequest
from edge.audit.actor import local_user
from edge.audit.store import HEAD
from tests.support.asgi_server import on_tcp
from tests.support.documents_origin import free_port
from tests.support.operations import store

Act = Callable[[LocalOperations | RemoteOperations], Any]


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LocalOperations]:
    with store(tmp_path / "data") as opened:
        yield opened


def deploy(operations: LocalOperations | RemoteOperations, **more: Any) -> Any:
    file = {"function": "shop", "upstream": "http://127.0.0.1:9", "openapi": False, **more}
    return operations.deploy(DeployRequest(project=json.dumps(file)))


def news(edge: LocalOperations, act: Act) -> list[AuditRecord]:
    """The records that something leaves, oldest first."""
    before = edge.verify_audit().last
    act(edge)
    found = [record for record in reversed(edge.audit()) if record.number > before]
    return [record for record in found if record.event != "access.login"]


CHANGES: list[tuple[list[str], Act]] = [
    (["token.created"], lambda o: o.create_token("shop", "n", scopes=("mcp",))),
    (["token.rotated"], lambda o: o.rotate_token("shop", "default", 60)),
    (["token.revoked"], lambda o: o.revoke_token("shop", "default")),
    (["deployment.created"], lambda o: deploy(o, description="another")),
    (["deployment.rolled_back"], lambda o: o.rollback("shop")),
    (["secret.set"], lambda o: o.set_secrets("shop", {"A": "tell nobody"})),
    (["secret.deleted"], lambda o: o.delete_secret("shop", "GIVEN")),
    (["signing_secret.shown"], lambda o: o.signing_secret("shop")),
    (["signing_secret.rotated"], lambda o: o.rotate_signing_secret("shop", 60)),
    (["function.deleted"], lambda o: o.delete_function("shop")),
]


def prepared(edge: LocalOperations) -> None:
    deploy(edge)
    deploy(edge, description="second")
    edge.set_secrets("shop", {"GIVEN": "x"})


@pytest.mark.parametrize(("events", "act"), CHANGES, ids=[events[0] for events, _ in CHANGES])
def test_a_change_here_is_recorded_with_the_user(
    events: list[str], act: Act, edge: LocalOperations
) -> None:
    prepared(edge)
    found = news(edge, act)
    assert [record.event for record in found] == events
    for record in found:
        assert (record.actor_type, record.actor) == ("local", local_user())
        assert (record.address, record.actor_id, record.function) == ("local", None, "shop")
    assert edge.verify_audit().intact


@pytest.mark.parametrize(("events", "act"), CHANGES, ids=[events[0] for events, _ in CHANGES])
def test_a_change_from_elsewhere_is_recorded_with_its_access_token(
    events: list[str], act: Act, edge: LocalOperations
) -> None:
    prepared(edge)
    laptop = edge.create_access("laptop")
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        remote = RemoteOperations(HttpTransport(url, laptop.token))
        found = news(edge, lambda _: act(remote))
    assert [record.event for record in found] == events
    for record in found:
        assert (record.actor_type, record.actor) == ("access_token", "laptop")
        assert (record.actor_id, record.address) == (laptop.id, "127.0.0.1")


def test_a_first_deploy_and_its_token_are_recorded(edge: LocalOperations) -> None:
    found = news(edge, deploy)
    assert [(r.event, r.name) for r in found] == [
        ("deployment.created", None),
        ("token.created", "default"),
    ]
    assert found[0].detail["first"] is True


def test_access_tokens_are_recorded(edge: LocalOperations) -> None:
    made = news(edge, lambda o: o.create_access("ci", scopes=("read",), expires_in=60.0))
    ended = news(edge, lambda o: o.revoke_access("ci"))
    assert [(r.event, r.name) for r in made + ended] == [
        ("access.created", "ci"),
        ("access.revoked", "ci"),
    ]
    assert made[0].subject == ended[0].subject
    assert made[0].detail["scopes"] == ["read"]


REFUSED: list[Act] = [
    lambda o: o.create_token("shop", "default"),
    lambda o: o.create_token("nowhere", "n"),
    lambda o: o.create_token("shop", "n", scopes=("nope",)),
    lambda o: o.revoke_token("shop", "nobody"),
    lambda o: o.rotate_token("shop", "nobody"),
    lambda o: o.delete_function("nowhere"),
    lambda o: o.rollback("nowhere"),
    lambda o: o.set_secrets("shop", {"bad name": "x"}),
    lambda o: o.delete_secret("shop", "NONE"),
    lambda o: o.signing_secret("nowhere"),
    lambda o: o.create_access("ci", scopes=("nope",)),
    lambda o: o.revoke_access("nobody"),
    lambda o: deploy(o, upstream="nonsense"),
]


@pytest.mark.parametrize("act", REFUSED)
def test_what_is_refused_changes_nothing_and_leaves_no_record(
    act: Act, edge: LocalOperations
) -> None:
    prepared(edge)

    def refused(operations: LocalOperations | RemoteOperations) -> None:
        with pytest.raises(AdminError):
            act(operations)

    assert news(edge, refused) == []


def test_what_changes_nothing_leaves_no_record(edge: LocalOperations) -> None:
    prepared(edge)
    assert news(edge, lambda o: deploy(o, description="second")) == []
    dry = DeployRequest(url=f"http://127.0.0.1:{free_port()}", slug="dry", dry_run=True)
    assert news(edge, lambda o: o.deploy(dry)) == []


def test_a_change_that_cannot_be_recorded_is_not_made(
    edge: LocalOperations,
) -> None:
    prepared(edge)
    with edge._database.write() as write:
        write.connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN"
            " SELECT RAISE(ABORT, 'no space left'); END"
        )
    for act in (
        lambda: edge.create_token("shop", "late"),
        lambda: edge.revoke_token("shop", "default"),
        lambda: edge.set_secrets("shop", {"LATE": "x"}),
        lambda: deploy(edge, description="late"),
        lambda: edge.delete_function("shop"),
    ):
        with pytest.raises(sqlite3.IntegrityError):
            act()
    assert [token.name for token in edge.tokens("shop")] == ["default"]
    assert [secret.name for secret in edge.secrets("shop")] == ["GIVEN"]
    assert edge.function("shop").description == "second"


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Jelou-Actor": "root",
    "From": "root@edge.example",
}


def test_who_calls_cannot_say_who_he_is_or_where(edge: LocalOperations) -> None:
    token = edge.create_access("laptop").token
    with on_tcp(AdminApi(edge, edge.authenticate)) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **FORGED}
        connection.request("POST", "/v1/functions/*/tokens", b'{"name": "wide"}', fields)
        assert connection.getresponse().read()
        for key in ("actor", "who", "address", "actorId"):
            body = json.dumps({"name": f"n{key}", key: "root"}).encode()
            connection.request("POST", "/v1/functions/*/tokens", body, fields)
            response = connection.getresponse()
            response.read()
            assert response.status == 400
        connection.close()
    (record,) = [r for r in edge.audit() if r.event == "token.created"]
    assert (record.actor, record.address) == ("laptop", "127.0.0.1")
    assert "203.0.113.9" not in str(edge.audit())


def test_a_name_cannot_pretend_to_be_another_record(edge: LocalOperations) -> None:
    name = 'x","actor":{"name":"root"}'
    edge.create_token("*", name)
    record = edge.audit()[0]
    assert (record.actor, record.name) == (local_user(), name)


def test_a_login_is_recorded_once_an_hour_and_address(edge: LocalOperations) -> None:
    token = edge.create_access("laptop").token
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1"):
        assert edge.authenticate(token, address) is not None
    found = [(r.actor, r.address) for r in edge.audit() if r.event == "access.login"]
    assert found == [("laptop", "192.0.2.2"), ("laptop", "192.0.2.1")]


def test_an_access_token_that_is_over_and_still_used_is_recorded(edge: LocalOperations) -> None:
    made = edge.create_access("laptop")
    edge.revoke_access("laptop")
    for _ in range(3):
        assert edge.authenticate(made.token, "192.0.2.1") is None
    (record,) = [r for r in edge.audit() if r.event == "access.refused"]
    assert (record.subject, record.name, record.address) == (made.id, "laptop", "192.0.2.1")
    assert (record.actor_type, record.detail) == ("unknown", {"reason": "revoked"})


def test_guesses_leave_no_record_of_their_own(edge: LocalOperations) -> None:
    """They are counted in the worker, and recorded together."""
    before = edge.verify_audit().last
    for guess in ("", "jfn_pat_x", "jfn_rt_" + "0" * 32 + "2Freyo"):
        assert edge.authenticate(guess, "192.0.2.1") is None
    assert edge.verify_audit().last == before


def test_records_come_newest_first_page_by_page(edge: LocalOperations) -> None:
    for number in range(7):
        edge.create_token("*", f"n{number}")
    first = edge.audit(limit=3)
    second = edge.audit(limit=3, before=first[-1].number)
    assert [record.name for record in (*first, *second)] == ["n6", "n5", "n4", "n3", "n2", "n1"]
    assert edge.audit(function="shop") == ()
    assert len(edge.audit(within=3600)) == 7
    for limit in (0, -1, 1001):
        with pytest.raises(AdminError, match="limit must be 1 to 1000"):
            edge.audit(limit=limit)


def test_a_broken_trail_is_told_with_its_place(edge: LocalOperations, tmp_path: Path) -> None:
    prepared(edge)
    (tmp_path / "data" / HEAD).write_text('{"number": 99, "hash": "00"}')
    verdict = edge.verify_audit()
    assert (verdict.intact, verdict.broken) == (False, verdict.records + 1)
    assert "rows up to 99" in str(verdict.why)


def test_use_is_noted_though_nothing_is_recorded(
    edge: LocalOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_tokens, "ACCESS_NOTED_EVERY", 0.0)
    token = edge.create_access("laptop").token
    edge.authenticate(token, "192.0.2.1")
    assert edge.access_tokens()[0].last_used is not None
