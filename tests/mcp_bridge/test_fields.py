"""Header fields that no argument may set."""

import pytest

from mcp_bridge.fields import is_forwardable, is_safe_value, is_settable


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "Content-Length",
        "content_length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_Host",
        "X-Real-IP",
        "X-Request-Id",
        "traceparent",
        "X-Jelou-Token",
        "x_jelou_token",
        "X.Jelou.Cron-Run",
        "X-Jelou-Anything",
        "Mcp-Session-Id",
        "Accept",
        "Content-Type",
        "not a token",
        "evil\r\nX",
        "ünïcode",
        "",
    ],
)
def test_reserved_framing_and_illegal_fields_can_be_neither_set_nor_forwarded(name: str) -> None:
    assert not is_settable(name)
    assert not is_forwardable(name)


def test_authorization_may_be_forwarded_but_is_no_argument() -> None:
    assert is_forwardable("Authorization")
    assert not is_settable("authorization")


@pytest.mark.parametrize("name", ["X-Tenant", "If-Match", "Accept-Language", "X-Api-Key"])
def test_other_fields_may_be_set(name: str) -> None:
    assert is_settable(name)


@pytest.mark.parametrize(
    ("value", "safe"),
    [("plain", True), ("a\tb", True), ("é", True), ("a\rb", False), ("\0", False)],
)
def test_values_hold_no_control_characters(value: str, safe: bool) -> None:
    assert is_safe_value(value) is safe
