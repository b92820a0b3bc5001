"""How an author tests functions: called as the edge would call them, without sockets."""

import hashlib
import hmac
from collections.abc import Iterator

import pytest
from index import close_day, default, orders

from edge.sdk.testing import call, create_mock_cron_context


@pytest.fixture(autouse=True)
def _one_order() -> Iterator[None]:
    orders.clear()
    call(default, {"item": "tea"}, tool="placeOrder")
    yield
    orders.clear()


def test_an_order_is_placed() -> None:
    placed = call(default, {"item": "tea", "amount": 2}, tool="placeOrder")

    assert placed.status == 201
    assert placed.json()["amount"] == 2
    assert placed.headers["Location"] == f"/orders/{placed.json()['id']}"


def test_what_is_wrong_is_told() -> None:
    refused = call(default, {"item": "", "amount": 0}, tool="placeOrder")

    assert refused.status == 400
    assert [each["path"] for each in refused.json()["details"]] == [["item"], ["amount"]]


def test_orders_are_listed_by_query() -> None:
    assert len(call(default, {"limit": "5", "paid": "false"}, tool="listOrders").json()) == 1


def test_an_export_ends_with_its_result() -> None:
    events = call(default, tool="exportOrders").events

    assert [name for name, _ in events] == ["progress", "result"]


def test_a_payment_needs_a_signature() -> None:
    [order] = orders
    body = b'{"order": %d}' % order
    signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    secrets = {"WEBHOOK_SECRET": "s3cret"}

    forged = call(default, tool="paymentWebhook", body=body, env=secrets)
    paid = call(
        default,
        tool="paymentWebhook",
        body=body,
        env=secrets,
        headers={"X-Signature": signature, "Content-Type": "application/json"},
    )

    assert (forged.status, paid.status) == (401, 200)
    assert orders[order].paid


def test_the_day_is_closed_by_its_schedule_alone() -> None:
    ctx = create_mock_cron_context("0 20 * * MON-FRI", "close-day")

    assert close_day(None, ctx) == {"unpaid": 1}
    assert call(default, tool="closeDay").json() == {"skipped": 1}
