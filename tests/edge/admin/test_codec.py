"""The operations' values survive JSON, and what does not fit is refused with its place."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.admin import operations, token_operations
from edge.admin.codec import Mismatch, decode, encode
from edge.admin.operations import DeployRequest
from edge.admin.times import rfc3339
from edge.admin.token_operations import NewToken, TokenInfo, TokenVerdict

TIMES = st.integers(0, 4_000_000_000_000).map(lambda ms: ms / 1000)
TOKENS = st.builds(
    NewToken,
    id=st.text(),
    function=st.text(),
    name=st.text(),
    prefix=st.text(),
    last_used=st.none() | TIMES,
    created=TIMES,
    expires=st.none() | TIMES,
    scopes=st.lists(st.text()).map(tuple),
    rate=st.none() | st.text(),
    token=st.text(),
)


@given(TOKENS)
def test_a_value_survives_the_way_there_and_back(token: NewToken) -> None:
    assert decode(NewToken, json.loads(json.dumps(encode(token)))) == token


def test_keys_are_camel_case_times_rfc_3339_and_absent_is_null() -> None:
    info = TokenInfo("tok_1", "f", "n", "jfn_rt_abcd..", None, 1775051415.5, None, (), None)
    assert encode(info) == {
        "id": "tok_1",
        "function": "f",
        "name": "n",
        "prefix": "jfn_rt_abcd..",
        "lastUsed": None,
        "created": "2026-04-01T13:50:15.500Z",
        "expires": None,
        "scopes": [],
        "rate": None,
    }


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        (DeployRequest, {"project": 1}, "project must be a string"),
        (DeployRequest, {"dryRun": 1}, "dryRun must be true or false"),
        (DeployRequest, [], "the value must be an object"),
        (TokenVerdict, {"valid": True}, "reason is missing"),
        (TokenVerdict, {"valid": True, "reason": None, "scopes": [1]}, "scopes[0] must be"),
        (TokenVerdict, {"valid": True, "reason": None, "expires": "soon"}, "expires must be an"),
        (tuple[str, ...], "ab", "the value must be an array"),
        (float, True, "the value must be a number"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(kind: Any, value: Any, place: str) -> None:
    with pytest.raises(Mismatch, match=place.replace("[", r"\[")):
        decode(kind, value)


def test_an_older_client_reads_a_newer_edge() -> None:
    verdict = decode(TokenVerdict, {"valid": False, "reason": "unknown", "invented": 1})
    assert verdict == TokenVerdict(valid=False, reason="unknown")


def test_no_secret_shows_in_a_repr() -> None:
    secret = "jfn_rt_" + "a" * 38
    for kind in {**vars(operations), **vars(token_operations)}.values():
        names = [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []
        if "token" in names and kind is not token_operations.Revoked:
            shown = next(f for f in dataclasses.fields(kind) if f.name == "token").repr
            assert not shown, kind
    assert secret not in repr(DeployRequest())


def test_a_time_is_written_in_utc() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
