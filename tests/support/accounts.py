"""Accounts of requests that are over, as values."""

from typing import Any

from edge.errors import Errors, refusal
from edge.events import Account
from edge.gate.decisions import BridgeAll, Decision, Forward, Place, Refuse
from edge.message import Head, Ids
from tests.support.asking import GOOD, HOST, TOKENS, function, head

IDS = Ids(b"req-1", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True)
BEGAN = 100.0


def place(slug: str = "shop", target: bytes = b"/orders/7") -> Place:
    """A place of a function."""
    path = target.partition(b"?")[0]
    return Place(function(slug), b"", target, path, HOST)


def account(
    slug: str = "shop",
    *,
    lane: Any = "fast",
    seconds: float = 0.1,
    asked: Head | None = None,
    decision: Decision | None = None,
    **facts: Any,
) -> Account:
    """A request to a function (`edge`: to the edge's own `/mcp`; empty: to none) that is over.

    Args:
        facts: attributes of `Account`.
    """
    made = Account(lane, asked or head(token=GOOD), decision or _decided(slug), BEGAN)
    made.ids = IDS
    made.ended = BEGAN + seconds
    facts = {"status": 200, "whole": True, **facts}
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def _decided(slug: str) -> Decision:
    principal = TOKENS[GOOD].principal
    if slug == "edge":
        return BridgeAll(HOST, True, principal, None)
    if not slug:
        return Refuse(refusal(Errors.NOT_FOUND))
    return Forward(place(slug), principal, True, None, 30_000)
