"""A blocking MCP client: waits until a contender serves right, and opens sessions for the load."""

import http.client
import json
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from tests.benchmarks import calls, machine
from tests.benchmarks.fleet import NotServing, Running
from tests.benchmarks.opponents.model import HANDSHAKE, Endpoint, Era, Mcp, Programs

START_SECONDS = 120.0
"""Some gateways first make a database and are told of their tools one by one."""

ANSWER_SECONDS = 15.0
ERAS: Sequence[Era] = ("stateless", "session")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, session id (empty if none was issued) and body."""

    status: int
    session: str
    body: bytes


def await_serving(running: Running, programs: Programs) -> None:
    """Wait until it answers calls and lists right in both eras and refuses bad tokens.

    Raises:
        NotServing: it does not; the text says what is wrong.
    """
    mcp = running.opponent.mcp
    assert mcp is not None
    deadline = time.monotonic() + START_SECONDS
    _await_listening(running, deadline)
    running.endpoint = mcp.endpoint(running.setup, programs)
    why = _trouble(running, mcp, running.endpoint)
    while why and time.monotonic() < deadline and running.process.poll() is None:
        time.sleep(0.2)
        why = _trouble(running, mcp, running.endpoint)
    if why:
        raise NotServing(running.complaint(why))
    running.pids = machine.tree(running.process.pid)


def _await_listening(running: Running, deadline: float) -> None:
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", running.setup.port), 1):
            return
        if running.process.poll() is not None or time.monotonic() > deadline:
            raise NotServing(running.complaint("is silent"))
        time.sleep(0.05)


def _trouble(running: Running, mcp: Mcp, endpoint: Endpoint) -> str:
    try:
        return _fault(running, mcp, endpoint)
    except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
        return repr(error)


def _fault(running: Running, mcp: Mcp, endpoint: Endpoint) -> str:
    """What is wrong with its answers; empty if nothing is."""
    for era in ERAS:
        session = open_session(running) if mcp.revision(era) == HANDSHAKE else ""
        if bool(session) != mcp.in_session(era):
            return f"issues {'a' if session else 'no'} session"
        for method in ("tools/call", "tools/list"):
            exchange = calls.Exchange(era, method, running.setup.tools)
            why = _exchange_fault(running, mcp, endpoint, exchange, session)
            if why:
                return f"{era} {method}: {why}"
    return ""


def _exchange_fault(
    running: Running, mcp: Mcp, endpoint: Endpoint, exchange: calls.Exchange, session: str
) -> str:
    [(number, body)] = calls.messages(exchange, endpoint, mcp, count=1)
    revision, method = mcp.revision(exchange.era), exchange.method
    port = running.setup.port
    known = calls.fields(endpoint, revision, method, session)
    answer = _post(port, endpoint.path, known, body)
    why = calls.fault(answer.status, answer.body, number, exchange)
    bad = calls.fields(endpoint, revision, method, session, refused=True)
    without = {name: value for name, value in bad.items() if name not in endpoint.refused}
    for fields in (bad, without):
        status = _post(port, endpoint.path, fields, body).status
        if not why and status not in endpoint.refusals:
            why = f"status {status} to {'a bad' if fields is bad else 'no'} token"
    return why


def open_session(running: Running) -> str:
    """Initialize; the id of the session, empty if none is issued. Raises ValueError, OSError."""
    endpoint = running.endpoint
    assert endpoint is not None
    port, path = running.setup.port, endpoint.path
    known = calls.fields(endpoint, HANDSHAKE, "initialize", "")
    answer = _post(port, path, known, json.dumps(calls.initialize()))
    if answer.status != 200:
        raise ValueError(f"initialize: status {answer.status}: {answer.body[:200]!r}")
    version = calls.answer(answer.body)["result"]["protocolVersion"]
    if version != HANDSHAKE:
        raise ValueError(f"initialize: speaks {version}")
    known = calls.fields(endpoint, HANDSHAKE, "notifications/initialized", answer.session)
    told = _post(port, path, known, '{"jsonrpc":"2.0","method":"notifications/initialized"}')
    if told.status != 202:
        raise ValueError(f"notifications/initialized: status {told.status}")
    return answer.session


def sessions(running: Running, era: Era, count: int) -> list[str]:
    """So many open sessions, kept from load to load; empty texts where there are none."""
    mcp = running.opponent.mcp
    assert mcp is not None
    if not mcp.in_session(era):
        return [""] * count
    running.sessions += [open_session(running) for _ in range(count - len(running.sessions))]
    return running.sessions[:count]


def _post(port: int, path: str, fields: dict[str, str], body: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    with closing(connection):
        connection.request("POST", path, body=body.encode(), headers=fields)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Mcp-Session-Id", ""), answer.read())
