"""Requests and tool calls that are over as spans, by OpenTelemetry's semantic conventions. Pure.

Names and attributes: "Semantic conventions for HTTP spans" and "for MCP". What a span is told to
hold is as little secret as a line of the access log.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edge.events import Account, Event
from edge.forwarding.plan import ids_of_call
from edge.gate.decisions import Forward, place_of
from edge.headers import Networks
from edge.message import Ids
from edge.observe.access_line import client_address, path_of, shown, token_of

Value = str | int | bool


class Span(NamedTuple):
    """One span.

    Attributes:
        trace, id, parent: hexadecimal digits: 32, 16, and 16 or none for a root.
        began, ended: Unix nanoseconds.
        failed: whether its status is `Error`, by whoever's fault; a client's mistake is none.
    """

    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: Mapping[str, Value]
    failed: bool


def spans(events: Sequence[Event], offset: float, networks: Networks) -> Iterator[Span]:
    """The spans of those requests that are traced, each request's before its call's.

    Args:
        offset: Unix seconds at which the monotonic clock stood at 0.
        networks: `trusted_proxies`.
    """
    for event in events:
        if isinstance(event, Account) and event.ids is not None and event.ids.traced:
            yield _of_request(event, event.ids, offset, networks)
            if event.tool and event.set_out:
                yield _of_call(event, event.ids, offset)


def _of_request(account: Account, ids: Ids, offset: float, networks: Networks) -> Span:
    head, decision = account.head, account.decision
    attributes: dict[str, Value] = {
        "http.request.method": shown(head.method),
        "url.path": path_of(account),
        "url.scheme": head.peer.scheme,
        "network.protocol.version": head.version,
        "client.address": client_address(head, networks),
        "http.request.body.size": account.received,
        "http.response.body.size": account.sent,
        "jelou.request.id": ids.request_id.decode("latin-1"),
        "jelou.lane": account.lane,
    }
    if account.status:
        attributes["http.response.status_code"] = account.status
    if account.function:
        attributes["jelou.function"] = account.function
    place = place_of(decision)
    if place is not None:
        attributes["jelou.deployment"] = place.function.live.id
    token = token_of(decision)
    if token:
        attributes["jelou.token.id"] = token
    name = shown(head.method)
    if isinstance(decision, Forward) and decision.route:
        attributes["jelou.route"] = decision.route
        name += f" {decision.route}"
    elif account.mcp_method:
        attributes["mcp.method.name"] = shown(account.mcp_method)
        name += " /mcp"
    failed = account.status >= 500 or not account.whole
    if account.code or failed:
        attributes["error.type"] = account.code or str(account.status or "incomplete")
    return _span(name, ids, offset, (account.began, account.ended), attributes, failed)


def _of_call(account: Account, asked: Ids, offset: float) -> Span:
    """A call is a span of its own, which the function's is a child of."""
    attributes: dict[str, Value] = {
        "mcp.method.name": shown(account.mcp_method),
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": shown(account.tool),
        "jelou.function": account.function,
    }
    failed = account.tool_failed is True
    if failed:
        attributes["error.type"] = "tool_error"
    name = f"{shown(account.mcp_method)} {shown(account.tool)}"
    ids = ids_of_call(asked, account.tool_trace)
    return _span(name, ids, offset, (account.set_out, account.ended), attributes, failed)


def _span(
    name: str,
    ids: Ids,
    offset: float,
    times: tuple[float, float],
    attributes: Mapping[str, Value],
    failed: bool,
) -> Span:
    trace = ids.traceparent.decode("ascii")
    began, ended = (int((offset + moment) * 1e9) for moment in times)
    parent = ids.parent.decode("ascii")
    return Span(name, trace[3:35], trace[36:52], parent, began, ended, attributes, failed)
