"""Both lanes of the edge, each a whole edge before a function of its own, and how cases run there.

What differs from run to run or from edge to edge (ids, dates, ports, tokens) is masked here, and
nowhere else.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from edge.state.kept import edge_id
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.lanes_case import Act, Answered, Case, Feed, Observed, Pairs, Received, token
from tests.support.lanes_client import PATIENCE, LaneClient, RawAnswer
from tests.support.lanes_origin import Recorder, Request
from tests.support.origin import Origin, serving

UPSTREAM = b"127.0.0.1:<prt>"
"""Where a case names the function's own address."""

VIA = "jelou-edge-<selfid>"
"""Where a case names the edge in `Via`."""

_MASKS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "<uuid>"),
    (r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", "<trace>"),
    (r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} 20[2-9]\d \d\d:\d\d:\d\d GMT", "<date>"),
    (r"dep_[0-9a-z]{8}\b", "<deployment>"),
    (r"tok_[0-9A-Za-z]{12}\b", "<token-id>"),
)
_ERROR_KEYS = ("error", "message", "code", "requestId")
_PROBLEM_KEYS = ("type", "title", "status", "detail", "code", "requestId")


class World:
    """One edge with one lane or both, and the function behind it.

    Attributes:
        tokens: by their placeholders.
    """

    def __init__(self, edge: EdgeInProcess, origin: Origin, recorder: Recorder) -> None:
        self.edge = edge
        self.origin = origin
        self.recorder = recorder
        self.tokens: dict[str, str] = {}

    def mint(self, slug: str, name: str, **more: Any) -> None:
        """Make a token that cases name by its placeholder."""
        self.tokens[token(name, slug)] = self.edge.mint(name, slug, **more).secret

    async def observe(self, case: Case, feed: Feed = "whole") -> Observed:
        """Run a case on a connection of its own."""
        self.recorder.play([_with_port(act, self._port) for act in case.acts])
        fast, handed_over = self._counters()
        moved = asyncio.Semaphore(0)
        client = await LaneClient.connect(self.edge.port, self.recorder.relayed.set, moved.release)
        sending = asyncio.create_task(self._send(client, case, feed, moved))
        try:
            answers = await _answers(client, case)
            counted = self._counters()
            if case.after == "open":
                await asyncio.wait({sending}, timeout=PATIENCE)
            after = await (client.probe if case.after == "open" else client.ending)()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await client.aclose()
        whole = [request for request in self.recorder.requests if request.whole]
        return Observed(
            answers=tuple(self._answered(answer) for answer in answers),
            after=after,
            received=tuple(self._received(request) for request in whole),
            partial=len(self.recorder.requests) - len(whole),
            fast=counted[0] - fast,
            handed_over=counted[1] - handed_over,
        )

    async def _send(
        self, client: LaneClient, case: Case, feed: Feed, moved: asyncio.Semaphore
    ) -> None:
        with contextlib.suppress(OSError):
            for number, piece in enumerate(case.pieces):
                if number:
                    await moved.acquire()
                await client.send(self.filled(piece), feed)
            if case.eof:
                client.end()

    def filled(self, data: bytes) -> bytes:
        """Bytes with this edge's tokens and address in the place of their placeholders."""
        for placeholder, secret in self.tokens.items():
            data = data.replace(placeholder.encode(), secret.encode())
        own = edge_id(self.edge.config.data_dir, lambda _: b"")
        return data.replace(VIA.encode(), f"jelou-edge-{own}".encode())

    @property
    def _port(self) -> int:
        return self.origin.upstream.port

    def _counters(self) -> tuple[int, int]:
        lane: Any = getattr(self.edge.edge, "fast", None)
        return (0, 0) if lane is None else (lane.requests, lane.handed_over)

    def _answered(self, answer: RawAnswer) -> Answered:
        _check_error(answer)
        return Answered(
            status=answer.status,
            fields=self._masked_fields(answer.fields),
            body=self._masked(answer.body.decode("latin-1")).encode("latin-1"),
            how=answer.how,
            whole=answer.whole,
            interim=tuple(answer.interim),
        )

    def _received(self, request: Request) -> Received:
        assert request.version == "HTTP/1.1"
        return Received(
            method=request.method,
            target=self._masked(request.target),
            fields=self._masked_fields(request.fields),
            body=request.body,
            how=request.how,
        )

    def _masked_fields(self, fields: list[tuple[str, str]]) -> Pairs:
        masked = [(name, self._masked(value)) for name, value in fields]
        return tuple(sorted(masked, key=lambda pair: pair[0]))

    def _masked(self, text: str) -> str:
        own = edge_id(self.edge.config.data_dir, lambda _: b"")
        text = text.replace(f"jelou-edge-{own}", "jelou-edge-<id>")
        text = text.replace(f"127.0.0.1:{self._port}", "<upstream>")
        text = text.replace(self.edge.address, "<edge>")
        for placeholder, secret in self.tokens.items():
            text = text.replace(secret, placeholder)
        for pattern, mask in _MASKS:
            text = re.sub(pattern, mask, text)
        return text


async def _answers(client: LaneClient, case: Case) -> list[RawAnswer]:
    """So many answers as the case expects; all that come if it expects none and an end."""
    answers: list[RawAnswer] = []
    while len(answers) < len(case.answers) or _wants_all(case):
        answer = await client.answer(head=_is_head(case, len(answers)))
        if answer is None:
            break
        answers.append(answer)
    return answers


def _wants_all(case: Case) -> bool:
    return not case.answers and case.after != "open"


def _is_head(case: Case, number: int) -> bool:
    """Whether an answer is to a HEAD: one without a body that could have one."""
    if number >= len(case.answers):
        return False
    expected = case.answers[number]
    return expected.how == "none" and expected.status not in (204, 304)


def _with_port(act: Act, port: int) -> Act:
    address = f"127.0.0.1:{port}".encode()
    send = tuple(piece.replace(UPSTREAM, address) for piece in act.send)
    return replace(act, send=send)


def _check_error(answer: RawAnswer) -> None:
    """An error of the edge has the contract's shape, whatever its text."""
    if not answer.values("x-jelou-error-source") or not answer.body or answer.status == 401:
        return
    said = orjson.loads(answer.body)
    if "jsonrpc" in said:
        return
    problem = answer.values("content-type") == ["application/problem+json"]
    assert tuple(said) == (_PROBLEM_KEYS if problem else _ERROR_KEYS), said
    assert [said["requestId"]] == answer.values("x-request-id"), said


def simplified(answer: Answered) -> Answered:
    """An answer as cases expect it: an error of the edge is its code, whatever its text."""
    names = dict(answer.fields)
    if names.get("x-jelou-error-source") != "edge" or answer.status == 401:
        return answer
    fields = tuple(pair for pair in answer.fields if pair[0] != "content-length")
    said = orjson.loads(answer.body) if answer.body else {}
    code = said.get("code") or said.get("error", {}).get("data", {}).get("code", "")
    return Answered(answer.status, fields, code.encode(), answer.how, answer.whole, answer.interim)


@asynccontextmanager
async def world(directory: Path, **settings: Any) -> AsyncIterator[World]:
    """Start an edge with these settings and a function behind it; functions are not deployed."""
    recorder = Recorder()
    async with serving(recorder.behave) as origin, running(directory, **settings) as edge:
        yield World(edge, origin, recorder)
