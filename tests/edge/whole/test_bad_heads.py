"""Malformed heads get the same error on either lane, and no function ever sees one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import orjson
import pytest

from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.origin import Origin

BAD = {
    "no request": b"junk\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: shop.fn.localhost\n\n",
    "a folded field": b"GET / HTTP/1.1\r\nHost: shop.fn.localhost\r\nA: b\r\n c\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: shop.fn.localhost\r\nA: \x00\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "both framings": request(
        "/", "POST", [("content-length", "5"), ("transfer-encoding", "chunked")], b"0\r\n\r\n"
    ),
    "a long line": request("/" + "a" * 8192),
    "a large block": request(fields=[("a", "a" * 32768)]),
    "many fields": request(fields=[("a", "b")] * 128),
    "a line without end": b"GET /" + b"a" * 9000,
    "a broken chunked body": request("/", "POST", [("transfer-encoding", "chunked")], b"x\r\n"),
}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
AMBIGUOUS = [("content-length", "0"), ("transfer-encoding", "chunked")]
MASKED = re.compile(rb'(x-request-id: |date: |"requestId":")[^"\r]+')


@pytest.fixture(params=[True, False], ids=["fast lane", "ASGI lane"])
async def edge(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[EdgeInProcess]:
    """An edge whose plain requests take one lane."""
    async with running(tmp_path, fast_lane=request.param) as started:
        yield started


async def all_that_comes(edge: EdgeInProcess, sent: bytes) -> bytes:
    async with edge.http1() as client:
        await client.send(sent)
        with anyio.fail_after(10):
            return await client.reader.read()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_the_lanes_refuse_alike(tmp_path: Path, origin: Origin, bad: bytes) -> None:
    answers = []
    for fast_lane in (True, False):
        async with running(tmp_path / str(fast_lane), fast_lane=fast_lane) as edge:
            edge.deploy(origin.upstream, public=True)
            came = await all_that_comes(edge, bad + request())
        answers.append(MASKED.sub(rb"\1", came).replace(b"\r\ndate: ", b"").split(b"\r\n"))
    fast, asgi = ([answer[0], *sorted(answer[1:])] for answer in answers)
    assert fast == asgi
    assert all(seen.target == b"/" and not seen.whole for seen in origin.seen)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_a_good_request_before_a_bad_one_is_answered_and_nothing_else_is_sent_on(
    edge: EdgeInProcess, origin: Origin, bad: bytes
) -> None:
    edge.deploy(origin.upstream)
    good = request("/good", "POST", [("x-jelou-token", edge.token)], b"hello")
    async with edge.http1() as client:
        await client.send(good + bad + request("/behind", fields=[("x-jelou-token", edge.token)]))
        assert (await client.answer()).status == 200
        refused = await client.answer()
        assert refused.one("connection") == "close"
        assert await client.ending() == "closed"
    assert refused.status in (400, 401, 414, 431)
    assert [seen.target for seen in origin.seen] == [b"/good"]


@pytest.mark.parametrize("before", [b"\r\n", request()])
async def test_http_2_begins_with_the_connection_or_not_at_all(
    edge: EdgeInProcess, before: bytes
) -> None:
    answers = await all_that_comes(edge, before + PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert b"HTTP/1.1 400 Bad Request\r\n" in answers
    assert orjson.loads(answers.rpartition(b"\r\n\r\n")[2])["code"] == "bad_request"


async def test_the_callers_request_id_is_kept_where_the_fields_could_be_read(
    edge: EdgeInProcess,
) -> None:
    sent = request("/", "POST", [*AMBIGUOUS, ("x-request-id", "mine-1")])
    head, _, body = (await all_that_comes(edge, sent)).partition(b"\r\n\r\n")
    assert b"\r\nx-request-id: mine-1\r\n" in head
    assert orjson.loads(body)["requestId"] == "mine-1"


async def test_problem_details_are_given_where_they_are_asked_for(edge: EdgeInProcess) -> None:
    sent = request("/", "POST", [*AMBIGUOUS, ("accept", "application/problem+json")])
    head, _, body = (await all_that_comes(edge, sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    problem = orjson.loads(body)
    assert (problem["status"], problem["code"]) == (400, "bad_request")
    assert problem["detail"] == "Send either Content-Length or Transfer-Encoding, not both."
