"""Answers over real sockets: what is delivered, what is never passed off as whole."""

from pathlib import Path

import pytest

from edge.forwarding.parse import HEAD_LIMIT
from edge.forwarding.wire import UpstreamFailure
from tests.support import origin
from tests.support.origin import Behaviour, serving
from tests.support.upstream_calls import HURRIED, PATIENT, call, pooled, read, until

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"content-length: 5\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
CLOSE = HEAD + b"\r\n"


@pytest.mark.parametrize("dripped", [False, True])
@pytest.mark.parametrize(
    ("method", "answer", "status", "body", "framing", "kept"),
    [
        (b"GET", LENGTH + b"hello", 200, b"hello", "length", True),
        (b"GET", HEAD + b"content-length: 0\r\n\r\n", 200, b"", "length", True),
        (b"GET", CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", 200, b"hello", "chunked", True),
        (b"HEAD", LENGTH, 200, b"", "none", True),
        (b"HEAD", CHUNKED, 200, b"", "none", True),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", "none", True),
        (b"GET", b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n", 304, b"", "none", True),
        (
            b"GET",
            HEAD + b"connection: close\r\ncontent-length: 1\r\n\r\nx",
            200,
            b"x",
            "length",
            False,
        ),
        (b"GET", b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, b"x", "length", False),
        (
            b"GET",
            b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH + b"hello",
            200,
            b"hello",
            "length",
            True,
        ),
    ],
)
async def test_an_answer_arrives_as_sent_and_its_connection_is_kept_only_if_it_ended_exactly(
    method: bytes, answer: bytes, status: int, body: bytes, framing: str, kept: bool, dripped: bool
) -> None:
    async with serving(origin.answering(answer, dripped=dripped)) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, method)
            assert (found.status, await read(found), found.framing) == (status, body, framing)
            assert found.complete
        if not kept:
            await until(lambda: pool.open_count == 0)
        assert server.visits == (1 if kept else 2)


async def test_a_connection_with_bytes_after_the_answer_is_not_used_again() -> None:
    async with serving(origin.answering(LENGTH + b"hello, and more")) as server, pooled() as pool:
        for _ in range(2):
            assert await read(await call(pool, server.upstream)) == b"hello"
        await until(lambda: pool.open_count == 0)
        assert server.visits == 2


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_that_ends_with_the_connection_is_whole(version: bytes) -> None:
    answer = b"HTTP/%b 200 OK\r\n\r\n" % version + b"x" * 100_000
    async with serving(origin.closing_after(answer)) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        assert (found.framing, found.version.encode()) == ("close", version)
        assert len(await read(found)) == 100_000
        await until(lambda: pool.open_count == 0)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (origin.closes_at_once, "reset"),
        (origin.resets_before_head, "reset"),
        (origin.closing_after(b""), "reset"),
        (origin.closing_after(b"HTTP/1.1 200 O"), "reset"),
        (origin.resetting_after(HEAD), "reset"),
        (origin.closing_after(b"HTTP/1.1 100 Continue\r\n\r\n"), "reset"),
        (origin.silent_after(b"SSH-2.0-OpenSSH_9.6\r\n"), "invalid"),
        (origin.silent_after(b"<html>"), "invalid"),
        (origin.silent_after(b"HTTP/1.1 200 OK\nx: y\n\n"), "invalid"),
        (origin.silent_after(HEAD + b"x: y\r\n folded\r\n\r\n"), "invalid"),
        (origin.silent_after(HEAD + b"x: a\x00b\r\n\r\n"), "invalid"),
        (
            origin.silent_after(HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"),
            "invalid",
        ),
        (origin.silent_after(HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n"), "invalid"),
        (origin.silent_after(HEAD + b"content-length: five\r\n\r\n"), "invalid"),
        (origin.silent_after(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "invalid"),
        (origin.huge_head(HEAD_LIMIT + 1), "invalid"),
        (origin.many_fields(201), "invalid"),
        (origin.interim(17), "invalid"),
    ],
)
async def test_what_is_no_answer_is_a_failure_and_its_connection_is_dropped(
    behaviour: Behaviour, kind: str
) -> None:
    async with serving(behaviour) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, b"POST", b"x")
        assert caught.value.kind == kind
        assert not caught.value.reused
        await until(lambda: pool.open_count == 0)
        assert server.visits == 1


@pytest.mark.parametrize(
    ("behaviour", "kind", "arrived"),
    [
        (origin.closing_after(LENGTH + b"hell"), "truncated", b"hell"),
        (origin.resetting_after(LENGTH + b"hell"), "truncated", b"hell"),
        (origin.closing_after(CHUNKED + b"5\r\nhello\r\n"), "truncated", b"hello"),
        (origin.closing_after(CHUNKED + b"5\r\nhello\r\n0\r\n"), "truncated", b"hello"),
        (origin.closing_after(CHUNKED + b"5\r\nhe"), "truncated", b"he"),
        (origin.resetting_after(CHUNKED + b"5\r\nhello\r\n"), "truncated", b"hello"),
        (origin.resetting_after(CLOSE + b"hello"), "truncated", b"hello"),
    ],
)
async def test_an_answer_that_was_cut_never_looks_whole(
    behaviour: Behaviour, kind: str, arrived: bytes
) -> None:
    async with serving(behaviour) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        body = aiter(found.body)
        assert await anext(body) == arrived
        with pytest.raises(UpstreamFailure) as caught:
            await anext(body)
        assert caught.value.kind == kind
        assert not found.complete
        with pytest.raises(UpstreamFailure):
            await read(found)


@pytest.mark.parametrize("coded", [b"5\r\nhello\r\nnonsense\r\n", b"3\r\nhello\r\n", b"-1\r\n"])
async def test_a_broken_chunked_coding_is_a_failure_wherever_it_shows(coded: bytes) -> None:
    for behaviour in (origin.silent_after(CHUNKED + coded), origin.answering(CHUNKED + coded)):
        async with serving(behaviour) as server, pooled() as pool:
            with pytest.raises(UpstreamFailure) as caught:
                await read(await call(pool, server.upstream))
            assert caught.value.kind == "invalid"


@pytest.mark.parametrize("count", [1, 16])
async def test_interim_answers_are_told_and_passed_over(count: int) -> None:
    told: list[object] = []
    async with serving(origin.interim(count)) as server, pooled() as pool:
        found = await call(
            pool, server.upstream, on_interim=lambda status, fields: told.append((status, fields))
        )
        assert await read(found) == b"ok"
    assert told == [(103, ((b"link", b"</a>"),))] * count


async def test_trailers_are_known_after_the_end() -> None:
    answer = CHUNKED + b"2\r\nok\r\n0\r\nServer-Timing: db;dur=5\r\nSet-Cookie: a=b\r\n\r\n"
    async with serving(origin.answering(answer)) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        assert await read(found) == b"ok"
        assert found.trailers == ((b"server-timing", b"db;dur=5"),)


async def test_the_largest_head_is_taken() -> None:
    async with serving(origin.huge_head(HEAD_LIMIT)) as server, pooled() as pool:
        assert (await call(pool, server.upstream)).status == 200
        server.behaviour = origin.many_fields(200)
    async with serving(origin.many_fields(200)) as server, pooled() as pool:
        assert len((await call(pool, server.upstream)).headers) == 200


async def test_fields_for_this_hop_alone_stay_here() -> None:
    answer = HEAD + b"Connection: x-hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n"
    async with serving(origin.answering(answer)) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        assert found.headers == ((b"x-end", b"2"), (b"content-length", b"0"))


async def test_no_answer_in_time_is_a_timeout_and_the_request_is_aborted() -> None:
    async with serving(origin.silent_after(b"")) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, timeouts=HURRIED)
        assert caught.value.kind == "timeout"
        await server.departures.acquire()


async def test_interim_answers_do_not_put_off_the_timeout() -> None:
    behaviour = origin.silent_after(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    async with serving(behaviour) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, timeouts=HURRIED)
        assert caught.value.kind == "timeout"
        assert caught.value.begun


async def test_silence_within_an_answer_ends_it() -> None:
    async with serving(origin.silent_after(LENGTH + b"he")) as server, pooled() as pool:
        found = await call(pool, server.upstream, timeouts=HURRIED)
        with pytest.raises(UpstreamFailure) as caught:
            await read(found)
        assert caught.value.kind == "idle"
        await server.departures.acquire()


async def test_the_idle_time_can_be_changed_once_the_head_is_known() -> None:
    async def behave(visit: origin.Visit) -> None:
        await visit.request()
        await visit.send(LENGTH)
        await visit.origin.cue.wait()
        await visit.send(b"hello")

    async with serving(behave) as server, pooled() as pool:
        patient = await call(pool, server.upstream, timeouts=HURRIED)
        patient.set_idle(60)
        hurried = await call(pool, server.upstream, timeouts=PATIENT)
        hurried.set_idle(0.15)
        with pytest.raises(UpstreamFailure) as caught:
            await read(hurried)
        assert caught.value.kind == "idle"
        server.cue.set()
        assert await read(patient) == b"hello"


async def test_over_a_unix_socket_it_is_the_same(tmp_path: Path) -> None:
    async with serving(origin.echoes, path=tmp_path / "s") as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, b"POST", b"x" * 300_000)
            assert len(await read(found)) == 300_000
        assert server.visits == 1
    async with (
        serving(origin.closing_after(LENGTH), path=tmp_path / "t") as server,
        pooled() as pool,
    ):
        found = await call(pool, server.upstream)
        with pytest.raises(UpstreamFailure) as caught:
            await read(found)
        assert caught.value.kind == "truncated"


async def test_a_failure_says_nothing_of_what_was_sent_or_received() -> None:
    answer = HEAD + b"x: s3cret\r\ns3cret\r\n\r\n"
    async with serving(origin.silent_after(answer)) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, b"POST", b"s3cret")
        assert "s3cret" not in f"{caught.value} {caught.value!r}"
