"""Requests on one kept connection, each beside the same request on a fresh one.

Whatever a connection remembers of its last request must not be seen: both get the same, and the
function sees the same.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import Answer, Http1Client
from tests.support.origin import Origin, Seen, Visit

HOST = "shop.fn.localhost"

Sight = tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]

_MASKS = (
    (rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", b"<uuid>"),
    (rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", b"<trace>"),
    (rb"\w{3}, \d\d \w{3} 20[0-8]\d \d\d:\d\d:\d\d GMT", b"<date>"),
)


def asked(
    token: str | None,
    *lines: str,
    body: bytes | None = b"body",
    line: str = "POST /a HTTP/1.1",
    host: str = HOST,
) -> bytes:
    """A request as bytes, exactly as spelt; a body gets its length unless a line frames it."""
    sent = [line, f"Host: {host}", *([f"X-Jelou-Token: {token}"] if token is not None else [])]
    framed = any(entry.lower().startswith("transfer-encoding") for entry in lines)
    sent += [*lines, *([f"Content-Length: {len(body)}"] if body is not None and not framed else [])]
    return "\r\n".join(sent).encode() + b"\r\n\r\n" + (body or b"")


@dataclass(frozen=True)
class Outcome:
    """What came of a request; what differs from time to time is masked.

    Attributes:
        seen: what the function saw of it, if it did.
    """

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    whole: bool
    seen: list[Sight]


@dataclass
class Pair:
    """A kept connection, and how to ask on it and on fresh ones."""

    edge: EdgeInProcess
    origin: Origin
    kept: Http1Client = field(init=False)

    async def ask(self, sent: bytes) -> Outcome:
        """Send bytes on the kept connection, then on a fresh one; both must get the same."""
        method = sent.partition(b" ")[0].decode()
        outcome = await self._ask(self.kept, sent, method)
        async with self.edge.http1() as fresh:
            assert outcome == await self._ask(fresh, sent, method)
        if ("connection", "close") in outcome.fields:
            await self.kept.aclose()
            await self.connect()
        return outcome

    async def connect(self) -> None:
        """Begin a new kept connection."""
        self.kept = await Http1Client.connect("127.0.0.1", self.edge.port)

    async def _ask(self, client: Http1Client, sent: bytes, method: str) -> Outcome:
        already = len(self.origin.seen)
        await client.send(sent)
        answer = await client.answer(method)
        if ("connection", "close") in answer.headers:
            await client.ending()
        return _outcome(answer, self.origin.seen[already:])


async def warm(both: Pair, sent: bytes, status: int = 200) -> None:
    """Have the kept connection learn a request, and know it again."""
    for _ in range(5):
        assert (await both.ask(sent)).status == status


@asynccontextmanager
async def pair(edge: EdgeInProcess, origin: Origin) -> AsyncIterator[Pair]:
    """Such connections to an edge."""
    made = Pair(edge, origin)
    await made.connect()
    try:
        yield made
    finally:
        await made.kept.aclose()


def _outcome(answer: Answer, seen: list[Seen]) -> Outcome:
    fields = [(name, _masked(value.encode("latin-1")).decode()) for name, value in answer.headers]
    return Outcome(
        status=answer.status,
        fields=sorted(fields),
        body=_masked(bytes(answer.body)),
        whole=answer.whole,
        seen=[_sight(each) for each in seen],
    )


def _sight(seen: Seen) -> Sight:
    fields = sorted((name, _masked(value)) for name, value in seen.headers)
    return seen.method, seen.target, fields, seen.body


def _masked(text: bytes) -> bytes:
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    return text


async def answers_in_turn(visit: Visit) -> None:
    """Answers with the body, framed and dated as the target says.

    On cue if the target says `wait`; if it says `raw`, the body is the answer, head and all.
    """
    while True:
        seen = await visit.request()
        if b"wait" in seen.target:
            await visit.origin.cue.wait()
        if b"raw" in seen.target:
            await visit.send(seen.body)
            continue
        body = b"" if seen.method == b"HEAD" else seen.body
        lines = [b"HTTP/1.1 200 OK", b"x-echo: %d" % len(seen.body)]
        if b"dated" in seen.target:
            lines.append(b"date: Sun, 06 Nov 2094 08:49:37 GMT")
        if b"named" in seen.target:
            lines.append(b"connection: x-echo, content-length, date")
        if b"chunked" in seen.target:
            lines.append(b"transfer-encoding: chunked")
            coded = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body = b"" if seen.method == b"HEAD" else coded + b"0\r\n\r\n"
        else:
            lines.append(b"content-length: %d" % len(seen.body))
        await visit.send(b"\r\n".join(lines) + b"\r\n\r\n" + body)
