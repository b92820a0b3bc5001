"""One record of the audit trail, and its canonical JSON. Pure.

What is recorded is names, ids and counts; a token in any of it is blacked out, as everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from tokens.secret import redact

LONGEST = 300
"""Characters of one text; names and addresses are shorter, what is longer is cut."""
MOST = 200
"""Members of one list."""
_SECRET = re.compile(r"(jfn_[a-z]{2,4}_)[0-9A-Za-z]{8,}")
"""Any secret of ours, pieces of one too, which are none to `redact`."""

Event = Literal[
    "token.created",
    "token.rotated",
    "token.revoked",
    "token.refused",
    "access.created",
    "access.revoked",
    "access.login",
    "access.refused",
    "deployment.created",
    "deployment.rolled_back",
    "function.deleted",
    "secret.set",
    "secret.deleted",
    "secret.key_rotated",
    "signing_secret.shown",
    "signing_secret.rotated",
    "mcp.keys_rotated",
    "store.restored",
    "audit.broken",
    "audit.head_behind",
    "audit.head_lost",
    "audit.pruned",
]
EVENTS: tuple[Event, ...] = get_args(Event)


LOCAL = "local"
"""The address of who acts on the edge's own machine."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where.

    Attributes:
        type: `local` for a user of the machine, `access_token` for a remote caller, `edge` for what
            the edge does of itself, `unknown` for whom it has refused.
        name: the user's, the access token's, or what part of the edge it was.
        id: of the access token, or None.
        address: an IP address, or `local`.
    """

    type: Literal["local", "access_token", "edge", "unknown"]
    name: str
    id: str | None = None
    address: str = LOCAL


EDGE = Actor("edge", "edge")


@dataclass(frozen=True, slots=True)
class Record:
    """What happened.

    Attributes:
        number: from 1, without gaps.
        at: Unix time, seconds.
        function: the slug it concerns, `*` for all, or None.
        subject: id of the token, access token or deployment it concerns, or None.
        name: what that is called, or None.
        detail: what else there is to know; texts, numbers, booleans and lists of texts.
    """

    number: int
    at: float
    event: str
    actor: Actor
    function: str | None = None
    subject: str | None = None
    name: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def canonical(record: Record) -> bytes:
    """The one JSON text of a record: keys sorted, no space, tokens blacked out."""
    actor = record.actor
    who = {"type": actor.type, "name": actor.name, "id": actor.id, "address": actor.address}
    value = {
        "number": record.number,
        "at": record.at,
        "event": record.event,
        "actor": who,
        "function": record.function,
        "subject": record.subject,
        "name": record.name,
        "detail": dict(record.detail),
    }
    return orjson.dumps(_safe(value), option=orjson.OPT_SORT_KEYS)


def parse(text: bytes | str) -> Record:
    """The opposite of `canonical`; raises ValueError for what is no record."""
    try:
        value = orjson.loads(text)
        who = value["actor"]
        actor = Actor(who["type"], who["name"], who["id"], who["address"])
        detail = dict(value["detail"])
        number, at = int(value["number"]), float(value["at"])
        about = value["function"], value["subject"], value["name"]
        return Record(number, at, str(value["event"]), actor, *about, detail)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no record: {error}") from None


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        text = redact(value.encode("utf-8", "replace").decode())
        return _SECRET.sub(r"\1…", text)[:LONGEST]
    if isinstance(value, dict):
        return {_safe(key): _safe(member) for key, member in list(value.items())[:MOST]}
    if isinstance(value, list | tuple):
        return [_safe(member) for member in value[:MOST]]
    return value
