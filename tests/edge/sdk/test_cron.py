"""Verifying runs of schedules: what is taken, and everything that is not."""

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sdk.cron import CronRefused, CronRun, SeenRuns, verify_cron

SECRET = "jfn_cs_" + "5" * 64
NOW = 1_767_603_600
FIELDS = {
    "X-Jelou-Trigger": "cron",
    "X-Jelou-Cron": "0 9 * * *",
    "X-Jelou-Cron-Name": "daily",
    "X-Jelou-Bot-Id": "b-1",
    "X-Jelou-Cron-Run": "run_1",
}


def mac(secret: str, time: int = NOW, target: str = "/", body: bytes = b"") -> str:
    """The signature of the request, by the words of the contract."""
    signed = ("X-Jelou-Cron", "X-Jelou-Cron-Name", "X-Jelou-Bot-Id", "X-Jelou-Cron-Run")
    values = [FIELDS[name] for name in signed]
    lines = ["v1", str(time), "POST", target, *values, hashlib.sha256(body).hexdigest()]
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


SIGNED = FIELDS | {"X-Jelou-Cron-Signature": f"t={NOW},v1={mac(SECRET)}"}


def verify(headers: Any = SIGNED, **changed: Any) -> CronRun:
    """Verify the request with something changed."""
    request = {"method": "POST", "target": "/", "body": b"", "secrets": SECRET, "now": NOW}
    return verify_cron(headers, **(request | {"seen": SeenRuns()} | changed))


def refusal(headers: Any = SIGNED, **changed: Any) -> str:
    """Why it is refused."""
    with pytest.raises(CronRefused) as raised:
        verify(headers, **changed)
    assert SECRET not in str(raised.value)
    return raised.value.reason


RAW = [(name.lower().encode(), value.encode()) for name, value in SIGNED.items()]


@pytest.mark.parametrize(
    "headers", [SIGNED, {k.lower(): v for k, v in SIGNED.items()}, list(SIGNED.items()), RAW]
)
def test_headers_may_come_in_any_shape(headers: Any) -> None:
    assert verify(headers) == CronRun("run_1", "0 9 * * *", "daily", "b-1", NOW)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"now": NOW + 301}, "old"),
        ({"now": NOW - 301}, "old"),
        ({"method": "GET"}, "signature"),
        ({"target": "/other"}, "signature"),
        ({"target": b"/?a=1"}, "signature"),
        ({"body": b"x"}, "signature"),
        ({"secrets": "other"}, "signature"),
        ({"secrets": ()}, "signature"),
    ],
)
def test_another_request_is_refused(changed: dict[str, Any], reason: str) -> None:
    assert refusal(**changed) == reason


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_a_clock_may_differ_by_so_much(late: int) -> None:
    assert verify(now=NOW + late).time == NOW


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("X-Jelou-Cron", "* * * * *", "signature"),
        ("X-Jelou-Cron-Name", "weekly", "signature"),
        ("X-Jelou-Bot-Id", "", "signature"),
        ("X-Jelou-Cron-Run", "run_2", "signature"),
        ("X-Jelou-Cron-Run", "", "missing"),
        ("X-Jelou-Cron", None, "missing"),
        ("X-Jelou-Cron-Signature", None, "missing"),
        ("X-Jelou-Cron-Signature", "", "malformed"),
        ("X-Jelou-Cron-Signature", f"t={NOW}", "malformed"),
        ("X-Jelou-Cron-Signature", f"v1={mac(SECRET)}", "malformed"),
        ("X-Jelou-Cron-Signature", f"t={NOW},t={NOW},v1={mac(SECRET)}", "malformed"),
        ("X-Jelou-Cron-Signature", f"t=x,v1={mac(SECRET)}", "malformed"),
        ("X-Jelou-Cron-Signature", f"t={NOW},v1=", "signature"),
        ("X-Jelou-Cron-Signature", f"t={NOW},v1=é", "malformed"),
        ("X-Jelou-Cron-Signature", f"t={NOW},v2={mac(SECRET)}", "malformed"),
        ("X-Jelou-Cron-Signature", f"t={NOW + 1},v1={mac(SECRET)}", "signature"),
        ("X-Jelou-Cron-Signature", f"t={NOW}" + f",v1={mac(SECRET)}" * 9, "malformed"),
    ],
)
def test_another_field_is_refused(name: str, value: str | None, reason: str) -> None:
    changed = {key: text for key, text in (SIGNED | {name: value}).items() if text is not None}
    assert refusal(changed) == reason


def test_a_field_that_is_sent_twice_is_refused() -> None:
    assert refusal([*SIGNED.items(), ("x-jelou-cron-name", "daily")]) == "malformed"


@pytest.mark.parametrize("secrets", [("new", SECRET), (SECRET, "old"), [SECRET]])
@pytest.mark.parametrize("others", [[], ["0" * 64]])
def test_one_of_the_secrets_and_one_of_the_signatures_suffice(
    secrets: Any, others: list[str]
) -> None:
    signatures = ",".join(f"v1={one}" for one in [*others, mac(SECRET)])
    headers = SIGNED | {"X-Jelou-Cron-Signature": f"t={NOW}, {signatures},v9=later"}
    assert verify(headers, secrets=secrets).run == "run_1"


def test_a_run_is_taken_once_and_what_is_forged_takes_no_place() -> None:
    seen = SeenRuns()
    assert refusal(SIGNED, secrets="other", seen=seen) == "signature"
    verify(seen=seen)
    assert refusal(seen=seen, now=NOW + 300) == "seen"
    other = SeenRuns()
    assert [other(run, now) for run, now in [("a", 0), ("a", 600), ("a", 601), ("b", 601)]] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("secrets", ["", [""], [SECRET, ""]])
def test_what_is_signed_with_no_secret_is_refused(secrets: Any) -> None:
    headers = SIGNED | {"X-Jelou-Cron-Signature": f"t={NOW},v1={mac('')}"}
    assert refusal(headers, secrets=secrets) == "signature"


@settings(max_examples=200)
@given(st.text(max_size=80), st.text(max_size=40), st.binary(max_size=40))
def test_nothing_that_is_sent_raises_anything_else(field: str, run: str, body: bytes) -> None:
    headers = SIGNED | {"X-Jelou-Cron-Signature": field, "X-Jelou-Cron-Run": run}
    assert refusal(headers, body=body) in ("missing", "malformed", "old", "signature")
