"""Several functions at one address: a route and an MCP tool for each.

`placeOrder` is `POST /place-order`, `listOrders` is `GET /list-orders`, `exportOrders` streams,
`paymentWebhook` is public behind a signature, `closeDay` runs on a schedule.
"""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from pydantic import BaseModel, Field

from edge.sdk import Context, Event, Response, app, define, response


class NewOrder(BaseModel):
    item: str = Field(min_length=1, description="What is ordered")
    amount: int = Field(default=1, ge=1, le=100, description="How many")


class Order(NewOrder):
    id: int
    paid: bool = False


class Filter(BaseModel):
    limit: int = Field(default=20, ge=1, le=100, description="How many at most")
    paid: bool | None = Field(default=None, description="Only those that are, or are not")


orders: dict[int, Order] = {}
numbers = count(1)


def place_order(input: NewOrder, ctx: Context) -> Response:
    order = Order(id=next(numbers), **input.model_dump())
    orders[order.id] = order
    ctx.log("Placed", order=order.id)
    return response.status(201).header("Location", f"/orders/{order.id}").json(order)


def list_orders(input: Filter, ctx: Context) -> list[Order]:
    found = [each for each in orders.values() if input.paid in (None, each.paid)]
    return found[: input.limit]


async def export_orders(input: Any, ctx: Context) -> AsyncIterator[Event]:
    every = list(orders.values())
    for done, order in enumerate(every, 1):
        yield response.progress(done, total=len(every), message=order.item)
    yield response.result({"orders": [each.model_dump() for each in every]})


def payment_webhook(input: dict[str, Any], ctx: Context) -> dict[str, bool]:
    ctx.verify_hmac(header="X-Signature")  # with the secret WEBHOOK_SECRET
    order = orders[input["order"]]
    orders[order.id] = order.model_copy(update={"paid": True})
    return {"received": True}


def close_day(input: None, ctx: Context) -> dict[str, int]:
    if not ctx.is_cron:
        return {"skipped": 1}
    ctx.log("Closing the day", schedule=ctx.trigger.cron_name)
    return {"unpaid": sum(not each.paid for each in orders.values())}


DAILY = {"expression": "0 20 * * MON-FRI", "timezone": "America/Guayaquil", "name": "close-day"}

default = app(
    tools={
        "placeOrder": define(
            description="Places an order", input=NewOrder, output=Order, handler=place_order
        ),
        "listOrders": define(
            description="Lists orders",
            input=Filter,
            output=list[Order],
            config={"methods": ["GET"]},
            handler=list_orders,
        ),
        "exportOrders": define(description="Exports every order", handler=export_orders),
        "paymentWebhook": define(config={"public": True, "mcp": False}, handler=payment_webhook),
        "closeDay": define(config={"mcp": False, "cron": [DAILY]}, handler=close_day),
    },
    config={"methods": ["POST"], "timeout": 10_000},
)
