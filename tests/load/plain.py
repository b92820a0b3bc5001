"""Callers of plain HTTP: one request after the other, all at once, side by side, dropped."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

import orjson
from h2.exceptions import StreamClosedError

from tests.load.load import BROKEN, FLAKY, LARGE, SHOP, SIZES, Asked, Load
from tests.support.http1_client import Answer, Http1Client, request
from tests.support.http2_client import Http2Client
from tests.support.mcp_function import chunk

KINDS = ("GET", "POST", "chunked")


async def keeps_alive(load: Load, function: str = SHOP) -> None:
    """Many requests on one connection, of every framing."""
    alive = monotonic()
    async with load.door.http1() as client:
        for _ in range(load.dice.randrange(1, 40)):
            kind = load.dice.choice(KINDS)
            asked = load.ask(kind, alive, function, sizes=(*SIZES, *SIZES, *LARGE))
            answer = await answer_to(client, pieces(asked))
            note(load, asked, answer)
            if load.over or answer is None or answer.all("connection") == ["close"]:
                return
            alive = monotonic()
            await load.rest()


async def calls_a_flaky_one(load: Load) -> None:
    """The same of a function that is not always there."""
    await keeps_alive(load, FLAKY)


async def pipelines(load: Load) -> None:
    """Several requests at once, answered in turn."""
    alive = monotonic()
    async with load.door.http1() as client:
        every = [load.ask("GET", alive) for _ in range(5)]
        sent = [b"".join(piece for each in every for piece in pieces(each))]
        answer = await answer_to(client, sent)
        note(load, every[0], answer)
        for each in every[1:]:
            answer = await answer_to(client, ()) if answer is not None else None
            note(load, each, answer)
    await load.rest()


async def leaves(load: Load) -> None:
    """A request whose client goes when half of it is sent, or all."""
    alive = monotonic()
    async with load.door.http1() as client:
        asked = load.ask(load.dice.choice(KINDS), alive, sizes=(*SIZES, *LARGE))
        data = b"".join(pieces(asked))
        with suppress(*BROKEN):
            await client.send(data[: len(data) // load.dice.choice((1, 2))])
        client.reset()
        load.note(asked, None, fate="left")
    await load.rest()


async def multiplexes(load: Load) -> None:
    """Requests side by side on one connection of HTTP/2."""
    alive = monotonic()
    async with load.door.http2() as client:
        for _ in range(load.dice.randrange(1, 10)):
            every = [load.ask(load.dice.choice(("GET", "POST", "left")), alive) for _ in range(4)]
            if not all(await asyncio.gather(*(over_2(load, client, each) for each in every))):
                return
            if load.over:
                return
            alive = monotonic()
            await load.rest()


async def over_2(load: Load, client: Http2Client, asked: Asked) -> bool:
    """One of them; whether the connection goes on."""
    target, method = (asked.target(), "GET") if asked.kind == "GET" else ("/echo", "POST")
    stream = await client.begin(target, method, asked.fields, host=asked.host, end=method == "GET")
    if asked.kind == "left":
        with suppress(StreamClosedError):  # it was refused already
            await client.leave(stream)
        load.note(asked, None, fate="left")
        return not client.gone
    answer = None
    with suppress(*BROKEN, KeyError):  # there is no answer where the connection has ended
        if method == "POST":
            await client.send(stream, orjson.dumps(asked.body), end=True)
        answer = await client.answer(stream)
        del client.answers[stream]
    note(load, asked, answer)
    return not client.gone


def pieces(asked: Asked) -> list[bytes]:
    """A request over HTTP/1.1, as it is sent."""
    if asked.kind == "GET":
        return [request(asked.target(), "GET", asked.fields, host=asked.host)]
    body = orjson.dumps(asked.body)
    if asked.kind == "POST":
        return [request("/echo", "POST", asked.fields, body, host=asked.host)]
    head = [*asked.fields, ("transfer-encoding", "chunked")]
    half = len(body) // 2
    framed = [chunk(body[:half]), chunk(body[half:]), b"0\r\n\r\n"]
    return [request("/echo", "POST", head, host=asked.host), *framed]


async def answer_to(client: Http1Client, sent: Iterable[bytes]) -> Answer | None:
    """Send a request, and read the answer; None if the connection broke before there was one."""
    with suppress(*BROKEN):  # an answer may have come before the request was read
        for piece in sent:
            await client.send(piece)
    try:
        return await client.answer()
    except BROKEN:
        return None


def note(load: Load, asked: Asked, answer: Answer | None) -> None:
    """Write down an answer as far as it came."""
    if answer is None or not answer.whole:
        load.note(asked, None)
    elif answer.status == 200:
        load.note(asked, 200, *asked.understood(answer.json))
    else:
        load.note(asked, answer.status)
