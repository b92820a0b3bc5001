"""What has happened as one line of the access log: JSON for programs, words for people. Pure.

No line holds a query, or a header field but the ids; tokens in paths are blacked out. docs/logs.md
says what each member means.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

import orjson

from edge.events import Account, CronRan, CutOff, Event, Unread
from edge.functions import EDGE
from edge.gate.decisions import Bridge, BridgeAll, Decision, Forward, Refuse, place_of
from edge.headers import Networks, client_of, forwarded_for
from edge.message import Head
from tokens.secret import redact

LONGEST = 512
"""Characters of a text that a client chose; the rest is a mark."""

_REQUEST = (
    b'{"time":"%b","event":"request","requestId":"%b","traceId":"%b",%b,'
    b'"status":%d,"whole":%b,"received":%d,"sent":%d,"ms":%.2f%b%b}\n'
)
"""What every request has; the ids are well-formed (`edge.headers`), so no JSON need be made of them
each time, which would cost more than all the rest of the line.
"""

_ASKED = b'%b"method":%b,"path":%b,"protocol":"%b","lane":"%b","client":%b'

_DIM, _RED, _YELLOW, _GREEN, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"


def lines(
    events: Iterable[Event], offset: float, monotonic: float, networks: Networks
) -> list[bytes]:
    """JSON objects about events, each with its line's end.

    Args:
        offset: Unix seconds at which the monotonic clock stood at 0.
        monotonic: what that clock says now.
        networks: `trusted_proxies`.
    """
    asked: dict[tuple[int, int], bytes] = {}  # what requests ask that one connection repeats
    made = []
    for event in events:
        if isinstance(event, Account):
            key = id(event.head), id(event.decision)
            said = asked.get(key)
            if said is None:
                said = asked[key] = _asked(event, networks)
            made.append(_of_request(event, said, offset))
        else:
            made.append(_of_other(event, offset + monotonic))
    return made


def _of_other(event: Unread | CutOff | CronRan, now: float) -> bytes:
    said: dict[str, Any] = {"time": _time(now).decode()}
    if isinstance(event, Unread):
        said |= {"event": "unread", "code": event.code}
    elif isinstance(event, CutOff):
        said |= {"event": "cut_off", "why": event.why}
    else:
        said |= _of_run(event)
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


def as_text(said: Mapping[str, Any], zone: tzinfo | None = None, *, colours: bool) -> str:
    """A line for people: time of day, status, method, path, how long, for whom, and why not.

    Args:
        said: what a JSON line holds.
        zone: of the time; None for the machine's.
    """
    paint = _painted if colours else _unpainted
    clock = f"{datetime.fromisoformat(said['time']).astimezone(zone):%H:%M:%S}"
    if said["event"] != "request":
        rest = (f"{value}" for name, value in said.items() if name != "time")
        return f"{paint(_DIM, clock)} {paint(_YELLOW, ' '.join(rest))}"
    status = f"{said['status'] or '---'}{'' if said['whole'] else '✗'}"
    what = f"{said['method']} {said['path']}"
    if "mcpMethod" in said:
        what += f" {said['mcpMethod']} {said.get('tool', '')}".rstrip()
    parts = [
        paint(_DIM, clock),
        paint(_colour(said["status"]), f"{status:<4}"),
        what,
        paint(_DIM, f"{_duration(said['ms'])} {said['function'] or '-'}"),
    ]
    why = " ".join(said[name] for name in ("code", "reason") if name in said)
    return " ".join([*parts, paint(_YELLOW, why)] if why else parts)


def shown(text: str) -> str:
    """A text that a client may have chosen, as a log may hold it."""
    safe = redact(text)
    return safe if len(safe) <= LONGEST else safe[:LONGEST] + "…"


# A request.


def _asked(account: Account, networks: Networks) -> bytes:
    head = account.head
    return _ASKED % (
        _whose(account.decision),
        _method(head.method),
        _text(path_of(account)),
        b"websocket" if head.websocket else _VERSIONS[head.version],
        account.lane.encode(),
        _text(client_address(head, networks)),
    )


def _of_request(account: Account, asked: bytes, offset: float) -> bytes:
    ids = account.ids
    return _REQUEST % (
        _time(offset + account.ended),
        b"" if ids is None else ids.request_id,
        b"" if ids is None else ids.traceparent[3:35],
        asked,
        account.status,
        b"true" if account.whole else b"false",
        account.received,
        account.sent,
        (account.ended - account.began) * 1000,
        _timings(account),
        _details(account) if account.code or account.mcp_method else b"",
    )


_VERSIONS = {version: f"HTTP/{version}".encode() for version in ("1.0", "1.1", "2", "3")}


def _timings(account: Account) -> bytes:
    """How long the answer's head took, and whose time it was."""
    began, set_out, answered = account.began, account.set_out, account.answered
    if not answered:
        return b""
    if not set_out:
        return b',"firstByteMs":%.2f' % ((answered - began) * 1000)
    return b',"firstByteMs":%.2f,"upstreamMs":%.2f,"edgeMs":%.2f' % (
        (answered - began) * 1000,
        (answered - set_out) * 1000,
        (set_out - began) * 1000,
    )


def _whose(decision: Decision) -> bytes:
    """Which function was asked for, and with which token."""
    place = place_of(decision)
    slug, deployment = "", ""
    if place is not None:
        slug, deployment = place.function.slug, place.function.live.id
    elif isinstance(decision, BridgeAll):
        slug = EDGE
    route = decision.route if isinstance(decision, Forward) else ""
    return _named(slug, deployment, route, token_of(decision))


def token_of(decision: Decision) -> str:
    """The id of the token that a request came with, if that is known."""
    if isinstance(decision, Forward | Bridge | BridgeAll):
        return "" if decision.principal is None else decision.principal.token_id
    if isinstance(decision, Refuse):
        return decision.by or (decision.ended.id if decision.ended else "")
    return ""


@lru_cache(maxsize=4096)
def _named(slug: str, deployment: str, route: str, token: str) -> bytes:
    said = {"function": slug, "deployment": deployment, "route": route, "token": token}
    kept = {name: value for name, value in said.items() if value or name == "function"}
    return orjson.dumps(kept)[1:-1] + b","


@lru_cache(maxsize=64)
def _method(method: str) -> bytes:
    return orjson.dumps(shown(method))


def path_of(account: Account) -> str:
    """The path that was asked for, without its query, as a log may hold it."""
    target, place = account.head.target, place_of(account.decision)
    if place is not None and not target.startswith(b"/"):
        target = place.prefix + place.path  # it was an absolute URL
    return _path(target)


@lru_cache(maxsize=1024)
def _path(target: bytes) -> str:
    return shown(target.partition(b"?")[0].decode("latin-1"))


def client_address(head: Head, networks: Networks) -> str:
    """The client's address, as a log may hold it."""
    peer = head.peer.address
    chain = forwarded_for(head.headers, peer, networks) if networks else ()
    return shown(client_of(chain, networks) if chain else peer)


@lru_cache(maxsize=1024)
def _text(text: str) -> bytes:
    return orjson.dumps(text)


def _details(account: Account) -> bytes:
    """What not every request has."""
    said: dict[str, Any] = {}
    if account.mcp_method:
        said["mcpMethod"] = shown(account.mcp_method)
    if account.tool:
        said["tool"] = shown(account.tool)
    if account.tool_failed is not None:
        said["isError"] = account.tool_failed
    if account.code:
        said |= {"code": account.code, "fault": account.fault}
    if account.reason:
        said["reason"] = shown(account.reason)
    return b"," + orjson.dumps(said)[1:-1]


def _of_run(ran: CronRan) -> dict[str, Any]:
    said: dict[str, Any] = {"event": "cron_run", "function": ran.function, "run": ran.run}
    said |= {"state": ran.state, "ms": round(ran.seconds * 1000, 2)}
    if ran.status is not None:
        said["status"] = ran.status
    if ran.code:
        said["code"] = ran.code
    return said


def _time(unix: float) -> bytes:
    second = int(unix)
    return b"%b.%03dZ" % (_second(second), int((unix - second) * 1000))


@lru_cache(maxsize=4)
def _second(unix: int) -> bytes:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%dT%H:%M:%S}".encode()


# For people.


def _duration(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def _colour(status: int) -> str:
    if status >= 500 or not status:
        return _RED
    return _YELLOW if status >= 400 else _GREEN


def _painted(colour: str, text: str) -> str:
    return f"{colour}{text}{_PLAIN}"


def _unpainted(colour: str, text: str) -> str:  # noqa: ARG001
    return text
