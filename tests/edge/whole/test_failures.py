"""What a caller is told when the function fails it, and when a request is sent a second time."""

import re
from pathlib import Path

import anyio
import pytest

from tests.support.calling import TOKEN, Caller, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Answer, request
from tests.support.origin import (
    EMPTY,
    OK,
    Behaviour,
    Origin,
    Visit,
    answering,
    closes_at_once,
    closing_after,
    echoes,
    hangs,
    huge_head,
    interim,
    many_fields,
    refusing,
    resets_before_head,
    serving,
    silent_after,
    unresponsive,
)

PHRASES = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


def is_error(answer: Answer, status: int, code: str) -> None:
    """An error of the edge, in the contract's shape."""
    assert (answer.status, answer.json["code"]) == (status, code)
    assert list(answer.json) == ["error", "message", "code", "requestId"]
    assert answer.json["error"] == PHRASES[status]
    assert answer.json["requestId"] == answer.one("x-request-id")
    assert answer.one("x-jelou-error-source") == "edge"
    assert answer.one("cache-control") == "no-store"
    assert answer.one("content-type") == "application/json"
    assert answer.whole


FAILING: dict[str, tuple[Behaviour, str]] = {
    "closes at once": (closes_at_once, "upstream_unreachable"),
    "closes before the head": (closing_after(b""), "upstream_unreachable"),
    "closes within the head": (closing_after(b"HTTP/1.1 200 O"), "upstream_unreachable"),
    "resets before the head": (resets_before_head, "upstream_unreachable"),
    "not HTTP": (closing_after(b"hello world\r\n\r\n"), "upstream_invalid"),
    "SSH": (closing_after(b"SSH-2.0-OpenSSH_9.6\r\n"), "upstream_invalid"),
    "both framings": (
        answering(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"
            b"2\r\nok\r\n0\r\n\r\n"
        ),
        "upstream_invalid",
    ),
    "two lengths": (
        answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"),
        "upstream_invalid",
    ),
    "head too large": (huge_head(70_000), "upstream_invalid"),
    "too many fields": (many_fields(201), "upstream_invalid"),
    "too many interim answers": (interim(17), "upstream_invalid"),
    "101 unasked": (
        answering(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        "upstream_invalid",
    ),
}


@pytest.mark.parametrize(("behaviour", "code"), FAILING.values(), ids=FAILING.keys())
async def test_a_function_that_gives_no_answer_is_502(
    edge: EdgeInProcess, origin: Origin, caller: Caller, behaviour: Behaviour, code: str
) -> None:
    origin.behaviour = behaviour
    edge.deploy(origin.upstream)
    is_error(await caller.ask("/", "POST", body=b"x"), 502, code)


async def test_a_function_that_is_down_is_502_and_comes_back(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    edge.deploy(refusing())
    is_error(await caller.ask(), 502, "upstream_unreachable")
    edge.deploy(origin.upstream)
    assert (await caller.ask()).status == 200


async def test_a_function_that_does_not_accept_is_502(tmp_path: Path) -> None:
    async with unresponsive() as upstream, running(tmp_path, connect_timeout=0.2) as edge:
        edge.deploy(upstream)
        is_error(await Caller(edge, "1.1").ask(), 502, "upstream_unreachable")


async def test_a_function_that_does_not_answer_in_time_is_504(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = hangs
    edge.deploy(origin.upstream, timeout=150)
    answer = await caller.ask()
    is_error(answer, 504, "upstream_timeout")
    assert "150 ms" in answer.json["message"]
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_max_timeout_bounds_what_a_function_asks_for(tmp_path: Path) -> None:
    async with serving(hangs) as origin, running(tmp_path, max_timeout=150) as edge:
        edge.deploy(origin.upstream, timeout=100_000)
        is_error(await Caller(edge, "1.1").ask(), 504, "upstream_timeout")


async def test_the_timeout_begins_with_the_last_byte_of_the_body(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(origin.upstream, timeout=250)
    sent = [(TOKEN, edge.token), ("content-length", "8")]
    async with edge.http1() as client:
        await client.send(request("/", "POST", sent))
        for _ in range(8):
            await anyio.sleep(0.06)
            await client.send(b"x")
        assert (await client.answer()).body == b"x" * 8


async def test_the_timeout_is_over_with_the_head(edge: EdgeInProcess, origin: Origin) -> None:
    async def slow_body(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK[:-2])
        await anyio.sleep(0.4)
        await visit.send(b"ok")

    origin.behaviour = slow_body
    edge.deploy(origin.upstream, timeout=150)
    answer = await Caller(edge, "1.1").ask()
    assert (answer.body, answer.whole) == (b"ok", True)


async def test_interim_answers_do_not_disturb(
    edge: EdgeInProcess, origin: Origin, caller: Caller
) -> None:
    origin.behaviour = interim(16)
    edge.deploy(origin.upstream)
    answer = await caller.ask()
    assert (answer.status, answer.body) == (200, b"ok")


async def test_a_full_function_is_503_with_retry_after(tmp_path: Path) -> None:
    limits = {"in_flight": 1, "queue": 1, "queue_timeout": 0.2}
    async with serving(silent_after(b"")) as origin, running(tmp_path, **limits) as edge:
        edge.deploy(origin.upstream)
        caller = Caller(edge, "2")
        async with edge.http2() as client:
            held = await client.begin(fields=[(TOKEN, edge.token)])
            await until(lambda: origin.seen)
            answers: list[Answer] = []

            async def ask() -> None:
                answers.append(await caller.ask())

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask)
            for answer in answers:
                is_error(answer, 503, "overloaded")
                assert int(answer.one("retry-after")) >= 1
            assert held not in client.over
            # Other functions have places of their own.
            async with serving(echoes) as second:
                edge.deploy(second.upstream, "other")
                answer = await caller.ask(token=edge.tokens["other"], host="other.fn.localhost")
                assert answer.status == 200


async def test_a_place_is_free_again_when_its_client_leaves(tmp_path: Path) -> None:
    limits = {"in_flight": 1, "queue": 0}
    async with serving(hangs) as origin, running(tmp_path, **limits) as edge:
        edge.deploy(origin.upstream)
        async with edge.http2() as client:
            held = await client.begin(fields=[(TOKEN, edge.token)])
            await until(lambda: origin.visits)
            is_error(await Caller(edge, "1.1").ask(), 503, "overloaded")
            await client.leave(held)
            with anyio.fail_after(5):
                await origin.departures.acquire()
            origin.behaviour = answering(OK)
            assert (await Caller(edge, "1.1").ask()).status == 200


# The retry rule.


async def closes_on_second(visit: Visit) -> None:
    """The first connection serves one request and ends under the second; later ones serve all."""
    await visit.request()
    await visit.send(EMPTY)
    if visit.number == 0:
        await visit.request()
        visit.close()
        return
    while True:
        await visit.request()
        await visit.send(EMPTY)


async def half_answers_second(visit: Visit) -> None:
    """As above, but a part of the second answer has come."""
    await visit.request()
    await visit.send(EMPTY)
    if visit.number == 0:
        await visit.request()
        await visit.send(b"HTTP/1.1 2")
        visit.close()


RETRIES = [
    ("GET", None, closes_on_second, True),
    ("HEAD", None, closes_on_second, True),
    ("OPTIONS", None, closes_on_second, True),
    ("GET", b"body", closes_on_second, False),
    ("POST", None, closes_on_second, False),
    ("POST", b"body", closes_on_second, False),
    ("PUT", b"body", closes_on_second, False),
    ("DELETE", None, closes_on_second, False),
    ("GET", None, half_answers_second, False),
]


@pytest.mark.parametrize(("method", "body", "behaviour", "again"), RETRIES)
async def test_only_what_can_have_changed_nothing_is_sent_again(
    edge: EdgeInProcess,
    origin: Origin,
    method: str,
    body: bytes | None,
    behaviour: Behaviour,
    again: bool,
) -> None:
    origin.behaviour = behaviour
    edge.deploy(origin.upstream, methods=["GET", "OPTIONS", "POST", "PUT", "DELETE"])
    caller = Caller(edge, "1.1")
    assert (await caller.ask("/first")).status == 200
    answer = await caller.ask("/second", method, body=body)
    asked = [seen.target for seen in origin.seen].count(b"/second")
    if again:
        assert (answer.status, asked) == (200, 2)
    else:
        assert (answer.status, asked) == (502, 1)


async def test_a_fresh_connection_that_closes_is_not_tried_again(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = closing_after(b"")
    edge.deploy(origin.upstream)
    is_error(await Caller(edge, "1.1").ask(), 502, "upstream_unreachable")
    assert len(origin.seen) == 1


async def test_a_connection_that_closed_while_idle_is_not_used(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def closes_when_told(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.origin.cue.wait()

    origin.behaviour = closes_when_told
    edge.deploy(origin.upstream)
    caller = Caller(edge, "1.1")
    assert (await caller.ask()).status == 200
    origin.cue.set()
    await anyio.sleep(0.05)
    origin.behaviour = answering(OK)
    assert (await caller.ask("/", "POST", body=b"x")).status == 200


async def test_of_several_addresses_one_that_is_down_is_passed_over(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy([refusing(), origin.upstream])
    caller = Caller(edge, "1.1")
    for _ in range(4):
        assert (await caller.ask("/", "POST", body=b"x")).status == 200


# How an error is said.


async def test_problem_details_are_given_to_those_who_ask_for_them(
    edge: EdgeInProcess, caller: Caller
) -> None:
    edge.deploy(refusing())
    answer = await caller.ask(fields=[("accept", "application/problem+json")])
    assert answer.one("content-type") == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Bad Gateway",
        "status": 502,
        "detail": answer.json["detail"],
        "code": "upstream_unreachable",
        "requestId": answer.one("x-request-id"),
    }


async def test_an_error_says_nothing_of_the_address_behind(
    edge: EdgeInProcess, caller: Caller
) -> None:
    upstream = refusing()
    edge.deploy(upstream)
    answer = await caller.ask()
    said = bytes(answer.body) + repr(answer.headers).encode()
    assert str(upstream.port).encode() not in said
    assert not re.search(rb"Traceback|Errno|refused", said)


async def test_a_head_request_gets_the_errors_head_alone(
    edge: EdgeInProcess, caller: Caller
) -> None:
    edge.deploy(refusing())
    answer = await caller.ask("/", "HEAD")
    assert (answer.status, answer.body, answer.whole) == (502, b"", True)
    assert int(answer.one("content-length")) > 0
