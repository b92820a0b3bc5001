"""The console over a socket: who is let in, what a browser is told, what it may be made to do."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.admin.api import AdminApi
from edge.admin.callers import Callers
from edge.admin.failed_logins import A_MINUTE, FailedLogins
from edge.admin.local import LocalOperations
from edge.admin.operations import DeployRequest
from edge.config import Config
from edge.console import forms
from edge.console.app import NOTICES, PAGES, Console, Surroundings
from edge.console.desk import Seen
from edge.console.responses import POLICY
from edge.console.sessions import LIFETIME, Sessions
from edge.console.trying import Tries
from edge.state.ended_sessions import StoredEndedSessions
from mcp_bridge.session import SessionKey
from tests.support.asgi_server import on_tcp
from tests.support.console_visitor import Visitor
from tests.support.operations import store

ALWAYS = {
    "content-security-policy": POLICY.decode(),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
PATHS = {
    "slug": "shop",
    "name": "getOrders",
}


@dataclass
class Rig:
    """A console on a store, and how to come to it."""

    edge: LocalOperations
    netloc: str
    clock: list[float]

    def visitor(self, *scopes: str) -> Visitor:
        """Somebody who is signed in, with an access token of these scopes; any without."""
        name = f"visitor {len(self.edge.access_tokens())}"
        visitor = Visitor(self.netloc)
        made = self.edge.create_access(name, scopes=scopes)
        assert visitor.sign_in(made.token).status == 303
        return visitor

    def stranger(self) -> Visitor:
        """Somebody who is not."""
        return Visitor(self.netloc)


DOCUMENT = """{"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"},
"paths": {"/orders": {"get": {"operationId": "getOrders", "summary": "Orders"}}}}"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    directory = tmp_path_factory.mktemp("console")
    clock = [0.0]
    with store(directory / "data") as edge:
        database = edge._database
        key = SessionKey("k1", bytes(32))
        sessions = Sessions(
            lambda: (key,),
            StoredEndedSessions(database, database.clock),
            lambda: database.clock() + clock[0],
            os.urandom,
        )
        config = Config(data_dir=directory / "data")
        around = Surroundings(
            operations=edge,
            callers=Callers(edge.authenticate, FailedLogins()),
            known=edge.known,
            sessions=sessions,
            seen=Seen(lambda: (), lambda: ()),
            tries=Tries(config, ["127.0.0.1:9"]),
            clock=database.clock,
            random=os.urandom,
        )
        console = Console(around, AdminApi(edge, edge.authenticate))
        project = '{"function": "shop", "upstream": "http://127.0.0.1:9", "openapi": "./o.json"}'
        for _ in range(2):
            edge.deploy(DeployRequest(project=project, document=DOCUMENT))
            project = project.replace("}", ', "description": "Sells"}')
        with on_tcp(console) as url:
            yield Rig(edge, urlsplit(url).netloc, clock)


def addresses(method: str) -> list[str]:
    """Every page's address."""
    found = [page.path.format(**PATHS) for page in PAGES if page.method == method]
    return [f"/admin/console/{path}" for path in found]


def test_every_answer_says_how_it_is_to_be_treated(rig: Rig) -> None:
    visitor, stranger = rig.visitor(), rig.stranger()
    answers = [visitor.get(path) for path in addresses("GET")]
    assert {answer.status for answer in answers} == {200}
    answers += [stranger.get(path) for path in addresses("GET")]
    answers += [visitor.post(path, csrf="wrong") for path in addresses("POST")]
    answers += [stranger.get("/admin/console/sign-in"), stranger.sign_in("jfn_pat_wrong")]
    answers += [
        stranger.get("/"),
        stranger.get("/admin/console"),
        stranger.get("/admin/console/static/0/x"),
    ]
    answers += [visitor.get("/admin/console/nothing"), visitor.get("/admin/console/functions/none")]
    answers += [
        visitor.ask("/admin/console/", "PUT"),
        stranger.get("/admin/console/", Host="evil.example"),
    ]
    answers += [stranger.post("/admin/console/sign-in", token="x" * 1000)]
    assert {answer.status for answer in answers} - {401, 429} == {200, 303, 400, 403, 404, 405}
    for answer in answers:
        assert ALWAYS.items() <= answer.fields.items()


def test_the_files_that_pages_name_are_kept_by_their_hash(rig: Rig) -> None:
    page = rig.stranger().get("/admin/console/sign-in")
    names = re.findall(r'(?:href|src)="(/admin/console/static/[^"]+)"', page.text)
    assert len(names) == 4
    for name in names:
        found = rig.stranger().get(name)
        assert found.status == 200
        assert "immutable" in found.fields["cache-control"]
        assert found.fields["x-content-type-options"] == "nosniff"
        old = re.sub(r"static/\w+", "static/0000", name)
        assert rig.stranger().get(old).status == 404
    for name in ("../app.py", "..%2fapp.py", "htmx.LICENSE.txt"):
        assert rig.stranger().get(f"/admin/console/static/0/{name}").status == 404


def test_the_api_is_still_behind_it_and_browsers_are_sent_to_the_console(rig: Rig) -> None:
    stranger = rig.stranger()
    assert stranger.get("/v1/edge").status == 401
    assert stranger.get("/", Accept="*/*").fields["content-type"] == "application/json"
    assert stranger.get("/").fields["location"] == "/admin/console/"
    assert stranger.get("/admin/console").fields["location"] == "/admin/console/"


def test_nobody_is_shown_anything_who_is_not_signed_in(rig: Rig) -> None:
    stranger = rig.stranger()
    for path in addresses("GET"):
        assert stranger.get(path).fields["location"] == "/admin/console/sign-in"
        piece = stranger.get(path, HX_Request="true")
        assert (piece.status, piece.text) == (401, "")
        assert piece.fields["hx-redirect"] == "/admin/console/sign-in"
    for path in addresses("POST"):
        assert stranger.post(path).fields["location"] == "/admin/console/sign-in"
    assert rig.edge.function("shop").tokens == 1


@pytest.mark.parametrize(
    "cookie", ["", "v1.k1.AAAA", "v1.k2.", "x" * 5000, "v1.k1." + "A" * 300, "é".encode().decode()]
)
def test_a_made_up_cookie_opens_nothing(rig: Rig, cookie: str) -> None:
    stranger = rig.stranger()
    answer = stranger.get(
        "/admin/console/", Cookie=f"jelou-console={cookie}".encode().decode("latin-1")
    )
    assert answer.status in (303, 431)
    assert "Functions" not in answer.text


def test_the_cookie_holds_no_token_and_goes_nowhere_else(rig: Rig) -> None:
    visitor = rig.stranger()
    made = rig.edge.create_access("cookie")
    field = visitor.sign_in(made.token).fields["set-cookie"]
    assert field.startswith("jelou-console=v1.k1.")
    assert field.endswith("; Path=/admin/console/; Max-Age=43200; HttpOnly; SameSite=Strict")
    assert made.token[8:] not in field
    assert visitor.sign_in(made.token).fields["set-cookie"] != field


def test_a_session_ends_with_its_access_token_at_the_next_request(rig: Rig) -> None:
    visitor = rig.visitor()
    assert visitor.get("/admin/console/").status == 200
    rig.edge.revoke_access(rig.edge.access_tokens()[-1].id)
    assert visitor.get("/admin/console/").fields["location"] == "/admin/console/sign-in"
    assert visitor.post("/admin/console/tokens/create", function="shop", name="late").status == 303
    assert "late" not in {token.name for token in rig.edge.tokens("shop")}


def test_a_session_ends_by_itself(rig: Rig) -> None:
    visitor = rig.visitor()
    try:
        rig.clock[0] = LIFETIME - 60
        assert visitor.get("/admin/console/").status == 200
        rig.clock[0] = LIFETIME + 1
        assert visitor.get("/admin/console/").status == 303
    finally:
        rig.clock[0] = 0.0


def test_who_signs_out_is_out_whoever_kept_the_cookie(rig: Rig) -> None:
    visitor = rig.visitor()
    kept = Visitor(rig.netloc, dict(visitor.cookies))
    assert kept.get("/admin/console/").status == 200
    out = visitor.post("/admin/console/sign-out")
    assert out.fields["location"] == "/admin/console/sign-in?signed-out"
    assert "Max-Age=0" in out.fields["set-cookie"]
    assert not visitor.cookies
    assert kept.get("/admin/console/").status == 303
    assert NOTICES["signed-out"] in visitor.get("/admin/console/sign-in?signed-out").text


def test_a_form_of_no_session_or_of_another_does_nothing(rig: Rig) -> None:
    visitor, other = rig.visitor(), rig.visitor()
    for csrf in ("", "0" * 32, other.csrf, "é"):
        for path in addresses("POST"):
            answer = visitor.post(path, csrf=csrf, function="shop", name="forged", expires="never")
            assert answer.status == 403
    assert "forged" not in {token.name for token in rig.edge.tokens("shop")}


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec_Fetch_Site": ""},
        {"Origin": "null", "Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
    ],
)
def test_what_another_page_sends_is_refused(rig: Rig, fields: dict[str, str]) -> None:
    visitor = rig.visitor()
    form = {"csrf": visitor.csrf, "function": "shop", "name": "crossed", "expires": "never"}
    assert visitor.ask("/admin/console/tokens/create", "POST", form, **fields).status == 403
    token = rig.edge.create_access(f"crossed {len(fields)} {fields}"[:60]).token
    crossed = rig.stranger().ask("/admin/console/sign-in", "POST", {"token": token}, **fields)
    assert crossed.status == 403
    assert "set-cookie" not in crossed.fields
    assert "crossed" not in {token.name for token in rig.edge.tokens("shop")}


def test_a_program_that_says_nothing_of_where_it_is_from_cannot_sign_in(rig: Rig) -> None:
    token = rig.edge.create_access("program").token
    form = {"token": token}
    answer = rig.stranger().ask(
        "/admin/console/sign-in", "POST", form, Origin="", Sec_Fetch_Site=""
    )
    assert (answer.status, "set-cookie" in answer.fields) == (403, False)


NEEDS = {
    "/admin/console/tokens/create": "tokens",
    "/admin/console/tokens/rotate": "tokens",
    "/admin/console/tokens/revoke": "tokens",
    "/admin/console/functions/shop/rollback": "deploy",
    "/admin/console/functions/shop/cron/fire": "deploy",
}


@pytest.mark.parametrize("scope", ["read", "audit", "deploy", "tokens", "secrets"])
def test_a_session_may_what_its_access_token_may(rig: Rig, scope: str) -> None:
    visitor = rig.visitor(scope)
    for path in addresses("GET"):
        needed = "audit" if path == "/admin/console/audit" else "read"
        assert (visitor.get(path).status == 403) == (needed != scope), path
    for path, needed in NEEDS.items():
        form = {"function": "shop", "token": "none", "expires": "never", "overlap": "at once"}
        answer = visitor.post(path, name="", id="none", **form)
        assert (answer.status == 403) == (needed != scope), (path, answer.status)


def test_who_may_not_is_offered_nothing(rig: Rig) -> None:
    viewer, manager = rig.visitor("read"), rig.visitor()
    tokens, deployments = (
        f"/admin/console/functions/shop/{tab}" for tab in ("tokens", "deployments")
    )
    for offer, path in (
        ("Create token", tokens),
        ("Revoke", tokens),
        ("Rotate", tokens),
        ("Roll back", deployments),
        ("Audit", "/admin/console/"),
        ("a token made for this call", "/admin/console/functions/shop/tools/getOrders"),
    ):
        assert offer in manager.get(path).text, offer
        assert offer not in viewer.get(path).text, offer


def test_a_token_is_made_shown_once_rotated_and_revoked(rig: Rig) -> None:
    visitor = rig.visitor("read", "tokens")
    form = {"function": "shop", "name": "laptop", "expires": "1 day", "scopes": "http\nmcp\n"}
    made = visitor.post("/admin/console/tokens/create", **form, rate="5/m")
    secret = re.search(r"jfn_rt_\w+", made.text)
    assert secret
    (info,) = [token for token in rig.edge.tokens("shop") if token.name == "laptop"]
    assert (info.scopes, info.rate) == (("http", "mcp"), "5/m")
    assert info.expires == pytest.approx(info.created + 86400, abs=1)
    assert secret[0] not in visitor.get("/admin/console/functions/shop/tokens").text
    told = {"function": "shop", "token": info.id}
    rotated = visitor.post("/admin/console/tokens/rotate", **told, overlap="after 1 hour")
    new = re.search(r"jfn_rt_\w+", rotated.text)
    assert new
    assert new[0] != secret[0]
    assert rig.edge.check_token(secret[0]).valid
    named = {"function": "shop", "token": "laptop"}
    done = visitor.post("/admin/console/tokens/revoke", **named)
    assert done.fields["location"] == "/admin/console/functions/shop/tokens?done=revoked"
    assert NOTICES["revoked"] in visitor.get(done.fields["location"]).text
    assert not rig.edge.check_token(new[0]).valid
    record = next(r for r in rig.edge.audit() if r.event == "token.revoked")
    assert (record.actor_type, record.address) == ("access_token", "127.0.0.1")


def test_an_earlier_deployment_is_made_live_again(rig: Rig) -> None:
    visitor = rig.visitor()
    live, before = rig.edge.deployments("shop")
    done = visitor.post("/admin/console/functions/shop/rollback", id=before.id)
    assert done.fields["location"] == "/admin/console/functions/shop/deployments?done=rolled-back"
    assert rig.edge.function("shop").deployment == before.id
    rig.edge.rollback("shop", live.id)


def test_a_mistake_is_told_to_who_is_signed_in(rig: Rig) -> None:
    visitor = rig.visitor()
    form = {"function": "shop", "expires": "never"}
    for more, said in (
        ({"name": "a", "scopes": "nonsense"}, "Unknown scope"),
        ({"name": ""}, "name"),
        ({"name": "default"}, "taken"),
        ({"name": "b", "expires": "tomorrow"}, "Choose one"),
        ({"name": "c", "function": "none"}, "none"),
    ):
        answer = visitor.post("/admin/console/tokens/create", **{**form, **more})
        assert answer.status in (400, 404, 409, 422), more
        assert said in answer.text
        assert "Sign out" in answer.text


def test_forms_have_limits(rig: Rig) -> None:
    visitor = rig.visitor()
    large = b"csrf=" + b"x" * forms.LARGEST
    assert visitor.ask("/admin/console/tokens/create", "POST", large).status == 413
    many = b"&".join(b"a=1" for _ in range(forms.MOST_FIELDS + 1))
    assert visitor.ask("/admin/console/tokens/create", "POST", many).status == 400
    form = {"csrf": visitor.csrf}
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = visitor.ask("/admin/console/tokens/create", "POST", form, Content_Type=kind)
        assert answer.status == 415
    long = visitor.get(f"/admin/console/?q={'x' * 300}")
    assert long.status == 400


def test_methods_are_those_of_pages(rig: Rig) -> None:
    visitor = rig.visitor()
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        assert visitor.ask("/admin/console/", method).status == 405
    wrong = visitor.get("/admin/console/tokens/create")
    assert (wrong.status, "takes POST" in wrong.text) == (405, True)
    head = visitor.ask("/admin/console/", "HEAD")
    assert (head.status, head.text) == (200, "")
    assert int(head.fields["content-length"]) > 1000


def test_a_call_that_gets_no_answer_says_so_and_leaves_no_token(rig: Rig) -> None:
    visitor = rig.visitor()
    before = len(rig.edge.tokens("shop"))
    answer = visitor.post("/admin/console/functions/shop/tools/getOrders", how="made")
    assert answer.status == 200
    assert "No answer came" in answer.text
    assert len(rig.edge.tokens("shop")) == before
    events = [record.event for record in rig.edge.audit(limit=2)]
    assert events == ["token.revoked", "token.created"]


@pytest.mark.parametrize(
    "path", ["", "orders", "/a b", "/a#b", "/\r\nx: y", "/é", "//" + "x" * 5000]
)
def test_a_path_that_is_none_is_refused(rig: Rig, path: str) -> None:
    form = {"method": "GET", "path": path, "type": "application/json", "how": "none"}
    answer = rig.visitor().post("/admin/console/functions/shop/request", **form)
    assert answer.status == 400


def test_who_guesses_access_tokens_waits(tmp_path: Path, rig: Rig) -> None:
    stranger = rig.stranger()
    statuses = [stranger.sign_in(f"jfn_pat_{each}").status for each in range(A_MINUTE + 5)]
    assert set(statuses[:20]) == {401}
    assert statuses[-1] == 429
    assert int(stranger.sign_in("jfn_pat_x").fields["retry-after"]) > 0
    assert rig.visitor().get("/admin/console/").status == 200
