"""A line of the access log says what happened, in JSON and in words, and nothing secret."""

import json
from datetime import UTC
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import Errors, refusal
from edge.events import Account, CronRan, CutOff, Event, Unread
from edge.gate.decisions import Forward, Refuse
from edge.observe.access_line import LONGEST, as_text, lines
from tests.support.accounts import BEGAN, account, place
from tests.support.asking import GOOD, REVOKED, TOKENS, head

OFFSET = 1_800_000_000.0 - BEGAN
NOW = BEGAN + 5


def said(event: Event) -> dict[str, Any]:
    (line,) = lines([event], OFFSET, NOW, ())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    told: dict[str, Any] = json.loads(line)
    return told


COMMON = {
    "time": "2027-01-15T08:00:00.125Z",
    "event": "request",
    "requestId": "req-1",
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "function": "shop",
    "deployment": "dep_abc12345",
    "token": "tok_good",
    "method": "GET",
    "path": "/orders/7",
    "protocol": "HTTP/1.1",
    "lane": "fast",
    "client": "203.0.113.9",
    "status": 200,
    "whole": True,
    "received": 0,
    "sent": 0,
    "ms": 125.0,
}


@pytest.mark.parametrize(
    ("event", "differs"),
    [
        (account(seconds=0.125), {}),
        (
            account(seconds=0.125, set_out=BEGAN + 0.001, answered=BEGAN + 0.1, received=3, sent=9),
            {
                "received": 3,
                "sent": 9,
                "firstByteMs": 100.0,
                "upstreamMs": 99.0,
                "edgeMs": 1.0,
            },
        ),
        (account(seconds=0.125, answered=BEGAN + 0.1), {"firstByteMs": 100.0}),
        (
            account(
                seconds=0.125,
                status=401,
                code="unauthorized",
                fault="client",
                reason="revoked",
                decision=Refuse(
                    refusal(Errors.UNAUTHORIZED), place(), ended=TOKENS[REVOKED]
                ),
            ),
            {
                "status": 401,
                "token": "tok_revoked",
                "code": "unauthorized",
                "fault": "client",
                "reason": "revoked",
            },
        ),
        (
            account(
                seconds=0.125,
                decision=Refuse(refusal(Errors.RATE_LIMITED), place(), by="tok_good"),
            ),
            {},
        ),
        (
            account(
                seconds=0.125, mcp_method="tools/call", tool="getOrder", tool_failed=True
            ),
            {"mcpMethod": "tools/call", "tool": "getOrder", "isError": True},
        ),
        (
            account(
                seconds=0.125,
                decision=Forward(place(), None, False, None, 1000, (), "getOrder"),
            ),
            {"token": None, "route": "getOrder"},
        ),
        (
            account("edge", seconds=0.125),
            {"function": "edge", "deployment": None},
        ),
        (
            account("", seconds=0.125, ids=None, whole=False, status=0),
            {
                "function": "",
                "deployment": None,
                "token": None,
                "requestId": "",
                "traceId": "",
                "whole": False,
                "status": 0,
            },
        ),
    ],
)  # fmt: skip
def test_a_request_is_told(event: Account, differs: dict[str, Any]) -> None:
    expected = {**COMMON, **differs}
    assert said(event) == {name: v for name, v in expected.items() if v is not None}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Unread("bad_request"), {"event": "unread", "code": "bad_request"}),
        (CutOff("flood"), {"event": "cut_off", "why": "flood"}),
        (
            CronRan("shop", "run_1", "error", 500, "internal", 0.25),
            {
                "event": "cron_run",
                "function": "shop",
                "run": "run_1",
                "state": "error",
                "status": 500,
                "code": "internal",
                "ms": 250.0,
            },
        ),
    ],
)
def test_other_events_are_told(event: Event, expected: dict[str, Any]) -> None:
    assert said(event) == {"time": "2027-01-15T08:00:05.000Z", **expected}


def test_what_a_connection_repeats_is_told_each_time() -> None:
    again = account(seconds=0.125)
    happened = [again, account(seconds=0.125), again]
    assert [json.loads(line) for line in lines(happened, OFFSET, NOW, ())] == [COMMON] * 3


@settings(max_examples=200)
@given(
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    query=st.booleans(),
    form=st.sampled_from(["raw", "percent", "escaped"]),
)
def test_no_token_is_told_wherever_it_was_sent(
    before: bytes, after: bytes, query: bool, form: str
) -> None:
    raw = GOOD.encode()
    escaped = b"".join(b"%%%02x" % c for c in raw)
    sent = {"raw": raw, "percent": b"%6a" + raw[1:], "escaped": escaped}[form]
    target = b"/" + before.replace(b"?", b"") + (b"?t=" if query else b"") + sent + after
    event = account(
        asked=head("GET", target, (b"x-token", raw)),
        decision=Refuse(refusal(Errors.NOT_FOUND)),
        reason=f"of {GOOD}",
        mcp_method=GOOD,
        tool=GOOD,
    )
    (line,) = lines([event], OFFSET, NOW, ())
    core = raw.removeprefix(b"jfn_rt_")[:32]
    assert core not in line
    assert quote(raw).encode() not in line
    assert escaped not in line
    json.loads(line)


def test_a_query_is_not_told_and_what_is_long_is_cut() -> None:
    event = account(
        asked=head("GET", b"/secret?password=1"), decision=Refuse(refusal(Errors.NOT_FOUND))
    )
    assert said(event)["path"] == "/secret"
    long = account(mcp_method="m" * 9000)
    assert said(long)["mcpMethod"] == "m" * LONGEST + "…"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (account(seconds=0.0123), "08:00:00 200  GET /orders/7 12.3 ms shop"),
        (
            account("", status=404, code="not_found", fault="client", seconds=2.5),
            "08:00:02 404  GET /orders/7 2.5 s - not_found",
        ),
        (
            account(status=0, whole=False, seconds=0.001),
            "08:00:00 ---✗ GET /orders/7 1.0 ms shop",
        ),
        (
            account(mcp_method="tools/call", tool="getOrder", seconds=0.001),
            "08:00:00 200  GET /orders/7 tools/call getOrder 1.0 ms shop",
        ),
        (Unread("bad_request"), "08:00:05 unread bad_request"),
    ],
)
def test_people_read_it_as_words(event: Event, expected: str) -> None:
    assert as_text(said(event), UTC, colours=False) == expected
    coloured = as_text(said(event), UTC, colours=True)
    assert "\x1b[" in coloured
    for code in (2, 31, 32, 33, 0):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == expected
