"""Requests as a person sends them by hand: with the curl program."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.processes import run

UNAUTHORIZED = '{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
JSON = ("-H", "Content-Type: application/json", "-H", "Accept: application/json, text/event-stream")


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl received."""

    status: int
    headers: dict[str, list[str]]  # by lower-case name
    body: str

    def json(self) -> Any:
        """Return the body as a JSON value."""
        return json.loads(self.body)

    def result(self) -> Any:
        """Return the result of a JSON-RPC answer, sent as JSON or as one event."""
        assert self.status == 200, self.body
        text = self.body
        if self.headers["content-type"][0].startswith("text/event-stream"):
            text = next(each[5:] for each in text.splitlines() if each.startswith("data:"))
        return json.loads(text)["result"]


def curl(*arguments: str) -> Answer:
    """Run curl; what it writes out after the body is the status and the headers as JSON."""
    mark = "\n--answer--\n"
    written = f'{mark}{{"status":%{{http_code}},"headers":%{{header_json}}}}'
    done = run(["curl", "--silent", "--show-error", "-w", written, *arguments])
    assert done.returncode == 0, done.stderr
    body, answer = done.stdout.rsplit(mark, 1)
    return Answer(body=body, **json.loads(answer))


def with_token(token: str) -> tuple[str, str]:
    """Return the header that names the caller, as curl takes it."""
    return "-H", f"X-Jelou-Token: {token}"


def rpc(method: str, params: dict[str, Any] | None = None, number: int | None = 1) -> str:
    """Return a JSON-RPC message; without a number it is a notification."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    return json.dumps(message | ({"params": params} if params is not None else {}))
