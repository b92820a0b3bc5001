"""Results that a function words itself: relayed as a revision allows, or refused with a reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.literal import InputRequired, missing_capability, read_literal
from mcp_bridge.revisions import HANDSHAKE, STATELESS

OLDEST, NEWEST, ALONE = HANDSHAKE[0], HANDSHAKE[-1], STATELESS[-1]
EVERY = (*HANDSHAKE, *STATELESS)

TEXT = {"type": "text", "text": "hello"}
AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}
LINK = {"type": "resource_link", "name": "report", "uri": "https://a.example/r"}
IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
RESOURCE = {"type": "resource", "resource": {"uri": "a:b", "text": "x"}}

FORM = {
    "method": "elicitation/create",
    "params": {
        "message": "Sure?",
        "mode": "form",
        "requestedSchema": {"type": "object", "properties": {}},
    },
}
URL = {
    "method": "elicitation/create",
    "params": {"message": "Go", "mode": "url", "url": "https://a.example", "elicitationId": "1"},
}
SAMPLE = {
    "method": "sampling/createMessage",
    "params": {"messages": [{"role": "user", "content": TEXT}], "maxTokens": 5},
}
TOOLS = {**SAMPLE, "params": {**SAMPLE["params"], "tools": []}}  # type: ignore[dict-item]
ROOTS = {"method": "roots/list"}


def read(value: Any, revision: str = ALONE) -> Any:
    return read_literal(json.dumps(value).encode(), revision)


def asking(**requests: Any) -> dict[str, Any]:
    return {"resultType": "input_required", "inputRequests": requests}


@pytest.mark.parametrize("revision", EVERY)
@pytest.mark.parametrize("block", [TEXT, IMAGE, RESOURCE])
def test_a_result_is_relayed_at_every_revision(block: dict[str, Any], revision: str) -> None:
    stated = {"content": [block], "isError": True, "_meta": {"a.example/b": 1}}
    kind = {"resultType": "complete"} if revision == ALONE else {}
    assert read(stated, revision) == {**stated, **kind}
    assert read({**stated, "resultType": "complete", "foo": 1}, revision) == {**stated, **kind}


@pytest.mark.parametrize("revision", EVERY)
def test_what_a_revision_does_not_know_becomes_text(revision: str) -> None:
    result = read({"content": [AUDIO, LINK], "structuredContent": {"a": 1}}, revision)
    kinds = [block["type"] for block in result["content"]]
    assert kinds[0] == ("text" if revision < "2025-03-26" else "audio")
    assert kinds[1] == ("text" if revision < "2025-06-18" else "resource_link")
    assert ("structuredContent" in result) is (revision >= "2025-06-18")
    if kinds[1] == "text":
        assert result["content"][1]["text"] == "report\nhttps://a.example/r"


def test_structured_content_is_any_json_where_requests_stand_alone() -> None:
    stated = {"content": [], "structuredContent": [1]}
    assert read(stated)["structuredContent"] == [1]
    assert read(stated, NEWEST).startswith("$.structuredContent: ")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "not an object"),
        ({}, "$.content: Field required"),
        ({"content": "x"}, "$.content: "),
        ({"content": [{"type": "text"}]}, "$.content[0].text: Field required"),
        ({"content": [TEXT, {**IMAGE, "mimeType": 3}]}, "$.content[1].mimeType: "),
        ({"content": [{"type": "video"}]}, "$.content[0]"),
        ({"content": [1]}, "$.content[0]"),
        ({"content": [], "isError": "perhaps"}, "$.isError: "),
        ({"content": [], "resultType": "task"}, "resultType"),
        ({"content": [], "_meta": {"io.modelcontextprotocol/serverInfo": {}}}, "_meta has a key"),
        ({"content": [], "_meta": 1}, "$._meta: "),
        ({"resultType": "input_required"}, "neither inputRequests nor requestState"),
        (asking(), "neither inputRequests nor requestState"),
        (asking(a={"method": "tools/call"}), "$.inputRequests.a"),
        (asking(a={"method": "elicitation/create"}), "$.inputRequests.a"),
        ({"resultType": "input_required", "requestState": 1}, "$.requestState: "),
    ],
)
@pytest.mark.parametrize("revision", [ALONE, NEWEST])
def test_what_is_wrong_is_said(value: Any, said: str, revision: str) -> None:
    problem = read(value, revision)
    assert isinstance(problem, str)
    assert said in problem


def test_what_is_not_json_is_refused() -> None:
    assert "not JSON" in str(read_literal(b"{", ALONE))
    assert "not JSON" in str(read_literal(b"[" * 1_000 + b"]" * 1_000, ALONE))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "type", "_meta", "text"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, st.sampled_from(EVERY), st.sampled_from(["complete", "input_required"]))
def test_any_answer_is_read_or_refused(value: Any, revision: str, kind: str) -> None:
    assert isinstance(read(value, revision), dict | str)
    answer = read({"resultType": kind, "content": value, "inputRequests": value}, revision)
    assert isinstance(answer, dict | str | InputRequired)


def test_a_client_is_asked_with_the_functions_state_replaced() -> None:
    stated = {**asking(confirm=FORM), "requestState": "step-2", "_meta": {"a.example/b": 1}}
    asked = read(stated)
    assert asked.state == "step-2"
    assert asked.result("sealed") == {**stated, "requestState": "sealed"}
    assert "step-2" not in repr(asked)


def test_a_state_alone_asks_to_come_again() -> None:
    asked = read({"resultType": "input_required", "requestState": ""})
    assert asked == InputRequired({}, "")
    assert asked.result("s") == {"resultType": "input_required", "requestState": "s"}
    assert missing_capability(asked, {}) is None


@pytest.mark.parametrize("revision", HANDSHAKE)
def test_a_client_that_cannot_be_asked_is_told_so(revision: str) -> None:
    result = read(asking(confirm=FORM), revision)
    assert result["isError"] is True
    assert "this client cannot be asked" in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("request_", "declared", "required"),
    [
        (FORM, {}, {"elicitation": {"form": {}}}),
        (FORM, {"elicitation": {}}, None),
        (FORM, {"elicitation": {"form": {}}}, None),
        (FORM, {"elicitation": {"url": {}}}, {"elicitation": {"form": {}}}),
        (FORM, {"elicitation": True}, {"elicitation": {"form": {}}}),
        (URL, {"elicitation": {}}, {"elicitation": {"url": {}}}),
        (URL, {"elicitation": {"url": {}}}, None),
        (SAMPLE, {"roots": {}}, {"sampling": {}}),
        (SAMPLE, {"sampling": {}}, None),
        (TOOLS, {"sampling": {}}, {"sampling": {"tools": {}}}),
        (TOOLS, {"sampling": {"tools": {}}}, None),
        (ROOTS, {}, {"roots": {}}),
        (ROOTS, {"roots": {}}, None),
    ],
)
def test_a_client_is_asked_only_what_it_declared(
    request_: dict[str, Any], declared: dict[str, Any], required: dict[str, Any] | None
) -> None:
    missing = missing_capability(read(asking(one=request_)), declared)
    assert (missing.data if missing else None) == (
        {"requiredCapabilities": required} if required else None
    )


def test_all_that_a_client_lacks_is_named_at_once() -> None:
    missing = missing_capability(read(asking(a=FORM, b=URL, c=ROOTS, d=SAMPLE)), {})
    assert missing is not None
    assert missing.message.endswith("needs: elicitation.form, elicitation.url, roots, sampling.")
    assert missing.data == {
        "requiredCapabilities": {
            "elicitation": {"form": {}, "url": {}},
            "roots": {},
            "sampling": {},
        }
    }
