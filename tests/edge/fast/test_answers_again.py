"""What a connection remembers of its last answer is never seen in the next one."""

import random

import pytest

from tests.support.again import Pair, asked

DATE = b"Date: Sun, 06 Nov 2094 08:49:37 GMT"
LATER = DATE.replace(b"37 GMT", b"38 GMT")
LENGTH = b"Content-Length: 2"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"2\r\nok\r\n0\r\n\r\n"
ANSWERS: list[tuple[list[bytes], bytes]] = [
    ([LENGTH], b"ok"),
    ([b"content-length: 5"], b"right"),
    ([b"Content-Length: 0"], b""),
    ([b"Content-Length:2"], b"ok"),
    ([DATE, LENGTH], b"ok"),
    ([LATER, LENGTH], b"ok"),
    ([LENGTH, DATE], b"ok"),
    ([DATE.replace(b": ", b":", 1), LENGTH], b"ok"),
    ([DATE, LATER, LENGTH], b"ok"),
    ([DATE, LATER.replace(b": ", b":", 1), LENGTH], b"ok"),
    ([LATER.replace(b": ", b":", 1), DATE, LENGTH], b"ok"),
    ([b"Date: yesterday", LENGTH], b"ok"),
    ([b"Date: Mon, 99 Foo 2099 99:99:99 CET", LENGTH], b"ok"),
    ([LENGTH, b"Connection: date", DATE], b"ok"),
    ([LENGTH, b"Connection: content-length"], b"ok"),
    ([b"Content-Length: 0", b"Connection: content-length"], b""),
    ([LENGTH, b"Connection: x-a, close", b"X-A: 1"], b"ok"),
    ([LENGTH, b"Connection: close"], b"ok"),
    ([LENGTH, b"Connection: close", b"Close: 1"], b"ok"),
    ([LENGTH, b"Keep-Alive: timeout=5"], b"ok"),
    ([LENGTH, b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2"], b"ok"),
    ([LENGTH, b"Location: /x"], b"ok"),
    ([LENGTH, b"Cache-Control: public"], b"ok"),
    ([LENGTH, b"Access-Control-Allow-Origin: null"], b"ok"),
    ([LENGTH, b"X-Request-Id: the-functions", b"X-Jelou-Error-Source: edge"], b"ok"),
    ([LENGTH, b"Content-Type: text/event-stream"], b"ok"),
    ([CHUNKED], CHUNKS),
    ([CHUNKED, DATE], CHUNKS),
    ([CHUNKED, b"Trailer: x"], b"2\r\nok\r\n0\r\nx: 1\r\n\r\n"),
    ([CHUNKED, b"Content-Length: 2"], CHUNKS),
    ([LENGTH, b"Content-Length: 3"], b"ok"),
    ([LENGTH, b"Content-Length:3"], b"ok"),
    ([b"Content-Length: +2"], b"ok"),
    ([b"X-A: 1"] * 250 + [LENGTH], b"ok"),
]
STARTS = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 404 No",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
]


def answer_of(start: bytes, fields: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([start, *fields]) + b"\r\n\r\n" + body


@pytest.mark.parametrize("number", range(len(ANSWERS)))
async def test_an_answer_that_comes_again_is_made_as_the_first_was(both: Pair, number: int) -> None:
    both.edge.deploy(both.origin.upstream)
    fields, body = ANSWERS[number]
    told = asked(
        both.edge.token, body=answer_of(STARTS[0], fields, body), line="POST /raw HTTP/1.1"
    )
    plain = asked(
        both.edge.token, body=answer_of(STARTS[0], *ANSWERS[0]), line="POST /raw HTTP/1.1"
    )
    for sent in (plain, plain, plain, told, told, told, told, plain, plain, told, plain):
        await both.ask(sent)


@pytest.mark.parametrize("seed", range(6))
async def test_answers_in_any_order_are_each_made_as_on_a_fresh_connection(
    both: Pair, seed: int
) -> None:
    chosen = random.Random(seed)
    both.edge.deploy(both.origin.upstream)
    few = [(chosen.choice(STARTS), *chosen.choice(ANSWERS)) for _ in range(4)]
    for _ in range(40):
        body = answer_of(*chosen.choice(few))
        sent = asked(both.edge.token, body=body, line="POST /raw HTTP/1.1")
        for _ in range(chosen.choice([1, 2, 3])):
            await both.ask(sent)
