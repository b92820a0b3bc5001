"""The requests of the load, made once: a thousand, of which no two are alike.

A client that keeps its connection sends another request id each time, and bodies of several
lengths, but the same token, agent and target. Behind a proxy that shares its connections among
many clients, those differ from request to request too: `Shape.mixed`.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

HOST = "bench.fn.localhost"
"""The function `bench` in host form; the opponents serve every host."""

TARGET = "/v1/orders"
COUNT = 1000
SPREAD = 50
"""Bytes by which a body is shorter or longer than the mean."""

AGENTS = (
    "curl/8.14.1",
    "python-requests/2.33.0",
    "okhttp/5.3.2",
    "axios/1.14.0",
    "Go-http-client/1.1",
    "python-httpx/0.28.1",
    "node",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the requests of a scenario have in common.

    Attributes:
        body: mean bytes of a body; 0 makes the requests GETs.
        close: whether each asks for the connection to be closed.
        mixed: whether token, agent and target differ from request to request.
    """

    body: int = 200
    close: bool = False
    mixed: bool = False


def requests(shape: Shape, tokens: Sequence[str], count: int = COUNT) -> list[bytes]:
    """So many whole HTTP/1.1 requests; the same on every run."""
    chance = random.Random(1)
    used = tokens if shape.mixed else tokens[:1]
    return [_request(shape, used[i % len(used)], chance) for i in range(count)]


def body(size: int, chance: random.Random) -> bytes:
    """A JSON object of about so many bytes."""
    order = {"customer": chance.randrange(10**6), "phone": f"+593{chance.randrange(10**9):09}"}
    bare = len(json.dumps({**order, "note": ""}))
    padding = size + chance.randint(-SPREAD, SPREAD) - bare
    return json.dumps({**order, "note": "x" * padding}).encode()


def _request(shape: Shape, token: str, chance: random.Random) -> bytes:
    content = body(shape.body, chance) if shape.body else b""
    query = f"?page={chance.randrange(1, 500)}" if shape.mixed else ""
    lines = [
        f"{'POST' if content else 'GET'} {TARGET}{query} HTTP/1.1",
        f"Host: {HOST}",
        f"User-Agent: {chance.choice(AGENTS) if shape.mixed else AGENTS[0]}",
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate",
        f"X-Request-Id: {chance.getrandbits(128):032x}",
        f"X-Jelou-Token: {token}",
    ]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    if shape.close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + content
