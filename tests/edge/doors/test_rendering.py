"""Every error of the edge as bytes: one shape, the exact 401, and no secret in any."""

import json

import pytest

from edge.doors.rendering import Rendered, render
from edge.errors import UNAUTHORIZED_BODY, EdgeError, Errors, refusal, unauthorized
from edge.gate.decisions import Refuse
from edge.message import Headers, values
from tests.support.asking import GOOD, OTHER, ask, head

ID = b"req-1"
PROBLEM = ((b"accept", b"application/problem+json"),)
OTHERS = [error for error in Errors if error is not Errors.UNAUTHORIZED]


def rendered(error: Errors, sent: Headers = (), *, mcp: bool = False) -> Rendered:
    return render(refusal(error, "Do this.", reason="the log's own"), sent, ID, mcp=mcp)


@pytest.mark.parametrize("sent", [(), PROBLEM])
@pytest.mark.parametrize("mcp", [False, True])
def test_the_401_is_exactly_the_documented_one(sent: Headers, mcp: bool) -> None:
    answer = render(unauthorized("shop", "revoked"), sent, ID, mcp=mcp)
    assert answer.status == 401
    assert answer.body == (
        b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
    )
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(UNAUTHORIZED_BODY),
        b"x-request-id": ID,
        b"x-jelou-error-source": b"edge",
        b"www-authenticate": b'JelouToken realm="shop"',
        b"cache-control": b"no-store",
    }
    assert len(answer.headers) == 6


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: error.name)
def test_every_error_has_the_one_shape(error: Errors) -> None:
    answer = rendered(error)
    assert answer.status == error.value.status
    assert json.loads(answer.body) == {
        "error": error.value.phrase,
        "message": "Do this.",
        "code": error.value.code,
        "requestId": "req-1",
    }
    assert list(json.loads(answer.body)) == ["error", "message", "code", "requestId"]
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(answer.body),
        b"x-request-id": ID,
        b"x-jelou-error-source": b"edge",
        b"cache-control": b"no-store",
    }


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: error.name)
def test_problem_details_are_given_to_those_who_ask_for_them(error: Errors) -> None:
    answer = rendered(error, PROBLEM)
    assert values(answer.headers, b"content-type") == [b"application/problem+json"]
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": error.value.phrase,
        "status": error.value.status,
        "detail": "Do this.",
        "code": error.value.code,
        "requestId": "req-1",
    }


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: error.name)
def test_mcp_clients_get_json_rpc(error: Errors) -> None:
    answer = rendered(error, PROBLEM, mcp=True)
    assert answer.status == error.value.status
    assert values(answer.headers, b"content-type") == [b"application/json"]
    body = json.loads(answer.body)
    assert (body["jsonrpc"], body["id"]) == ("2.0", None)
    assert body["error"]["message"] == "Do this."
    assert body["error"]["data"] == {"code": error.value.code, "requestId": "req-1"}
    assert isinstance(body["error"]["code"], int)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ([b"application/problem+json"], True),
        ([b"text/html, Application/Problem+JSON;q=0.5"], True),
        ([b"text/html", b"application/problem+json ; charset=utf-8"], True),
        ([b"application/problem+json;q=0"], False),
        ([b"application/problem+json; q=0.0"], False),
        ([b"application/problem+json; Q=0"], False),
        ([b"application/json"], False),
        ([b"*/*"], False),
        ([b"application/*"], False),
        ([], False),
    ],
)
def test_only_their_name_asks_for_problem_details(accept: list[bytes], wanted: bool) -> None:
    answer = rendered(Errors.NOT_FOUND, tuple((b"accept", value) for value in accept))
    assert (b"application/problem+json" in dict(answer.headers).values()) is wanted


def test_a_refusals_own_fields_are_sent() -> None:
    refused = refusal(Errors.OVERLOADED, headers=((b"retry-after", b"5"),))
    answer = render(refused, (), ID)
    assert values(answer.headers, b"retry-after") == [b"5"]
    assert values(answer.headers, b"cache-control") == [b"no-store"]
    assert json.loads(answer.body)["message"] == Errors.OVERLOADED.value.text


@pytest.mark.parametrize("sent", [(), PROBLEM])
@pytest.mark.parametrize("mcp", [False, True])
def test_no_answer_holds_a_token_or_the_reason_for_the_log(sent: Headers, mcp: bool) -> None:
    asked = [
        head("GET", b"/x?t=" + GOOD.encode(), token=OTHER),
        head("GET", b"/x", (b"connection", b"x-jelou-token"), token=GOOD),
        head("GET", b"/" + GOOD.encode(), host=b"no.fn.localhost", token=GOOD),
        head("PURGE", b"/" + GOOD.encode(), token=GOOD),
        head("GET", b"/", host=GOOD.encode(), token=GOOD),
    ]
    for one in asked:
        decision = ask(one)
        assert isinstance(decision, Refuse)
        answer = render(decision.refusal, sent + one.headers, ID, mcp=mcp)
        said = answer.body + b"".join(name + value for name, value in answer.headers)
        assert b"jfn_rt_" not in said
        assert not decision.refusal.reason or decision.refusal.reason.encode() not in said
        assert GOOD not in repr(decision.refusal)
        assert GOOD not in str(EdgeError(decision.refusal))
