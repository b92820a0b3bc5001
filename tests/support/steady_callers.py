"""Clients that go on asking while something happens to the edge, and tell what went wrong."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from tests.support.whole_edge import BROKEN, MCP_REVISION

CALLS = 500
CALLERS = 4


@contextmanager
def calling(port: int, ask: Callable[[HTTPConnection], None]) -> Iterator[list[object]]:
    """Some clients that keep their connections as they are told, until enough was asked.

    What went wrong is yielded; the block ends once everything has been asked.
    """
    wrong: list[object] = []
    done = threading.Event()
    asked = itertools.count(1)
    enough = threading.Event()

    def go_on() -> None:
        client = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            while not (done.is_set() and enough.is_set()):
                ask(client)
                if next(asked) >= CALLS:
                    enough.set()
        except (AssertionError, *BROKEN) as error:
            wrong.append(error)
            enough.set()
        finally:
            client.close()

    threads = [threading.Thread(target=go_on) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        done.set()
        for thread in threads:
            thread.join(60)


def asks(target: str, token: str | None) -> Callable[[HTTPConnection], None]:
    """A request that is answered with 200."""

    def ask(client: HTTPConnection) -> None:
        client.request("GET", target, headers={"X-Jelou-Token": token} if token else {})
        answer = client.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body)

    return ask


def calls_a_tool(target: str, token: str, session: str) -> Callable[[HTTPConnection], None]:
    """A call of a session that has its result."""
    params = {"name": "hello", "arguments": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    headers = {
        "X-Jelou-Token": token,
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": MCP_REVISION,
    }

    def ask(client: HTTPConnection) -> None:
        client.request("POST", target, body=body, headers=headers)
        answer = client.getresponse()
        said = answer.read()
        assert answer.status == 200, (answer.status, said)
        assert b'"isError":false' in said.replace(b" ", b""), said

    return ask
