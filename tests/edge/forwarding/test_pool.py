"""The pool: which connection carries a request, when it is repeated, when connections end."""

import asyncio
import ssl
from pathlib import Path

import anyio
import pytest

from edge.forwarding.parse import InvalidRequest
from edge.forwarding.pool import PoolLimits
from edge.forwarding.wire import RetryRule, Timeouts, UpstreamFailure, UpstreamRequest
from edge.functions import Tls, Upstream
from tests.support import origin
from tests.support.origin import OK, Behaviour, refusing, self_signed, serving, unresponsive
from tests.support.upstream_calls import PATIENT, call, pieces, pooled, read, until


async def test_the_connection_used_last_is_used_next() -> None:
    async with serving(origin.answering(OK)) as server, pooled() as pool:
        first, second = [await call(pool, server.upstream) for _ in range(2)]
        assert server.visits == 1
        await asyncio.gather(*(call(pool, server.upstream) for _ in range(3)))
        assert server.visits == pool.open_count == 3
        assert (await read(first), await read(second)) == (b"ok", b"ok")


async def test_an_idle_connection_that_closes_is_dropped_and_the_next_request_is_not_hurt() -> None:
    async with serving(origin.closes_when_idle) as server, pooled() as pool:
        await read(await call(pool, server.upstream))
        server.cue.set()
        await until(lambda: pool.open_count == 0)
        await read(await call(pool, server.upstream, b"POST", b"x"))
        assert server.visits == 2


async def test_an_answer_that_nobody_asked_for_is_never_taken_for_one() -> None:
    async with serving(origin.speaks_unasked) as server, pooled() as pool:
        await read(await call(pool, server.upstream))
        server.cue.set()
        await until(lambda: pool.open_count == 0)
        assert await read(await call(pool, server.upstream)) == b"ok"
        assert server.visits == 2


DIES_REUSED = [origin.closes_on_second_request, origin.resets_on_second_request]


@pytest.mark.parametrize("behaviour", DIES_REUSED)
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
async def test_a_safe_request_on_a_reused_connection_that_closed_is_repeated_on_a_fresh_one(
    behaviour: Behaviour, method: bytes
) -> None:
    async with serving(behaviour) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, method)
            await found.aclose()
        assert found.status == 200
        # the first request, the second, and the second again
        assert (server.visits, len(server.seen)) == (2, 3)


@pytest.mark.parametrize("behaviour", DIES_REUSED)
@pytest.mark.parametrize(
    ("method", "body", "rule"),
    [
        (b"POST", b"", RetryRule.SAFE),
        (b"POST", b"x", RetryRule.SAFE),
        (b"PUT", b"x", RetryRule.SAFE),
        (b"DELETE", None, RetryRule.SAFE),
        (b"GET", b"x", RetryRule.SAFE),
        (b"GET", None, RetryRule.UNWRITTEN),
    ],
)
async def test_what_may_have_been_acted_upon_is_never_repeated(
    behaviour: Behaviour, method: bytes, body: bytes | None, rule: RetryRule
) -> None:
    async with serving(behaviour) as server, pooled() as pool:
        await read(await call(pool, server.upstream))
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream, method, body, retry=rule)
        failure = caught.value
        assert (failure.kind, failure.written, failure.reused) == ("reset", True, True)
        assert (server.visits, len(server.seen)) == (1, 2)


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_could_not_be_written_at_all_is_sent_again_whatever_it_is(
    streamed: bool,
) -> None:
    async with serving(origin.echoes) as server, pooled() as pool:
        await read(await call(pool, server.upstream, b"POST", b"first"))
        # The peer resets now, and the loop has no chance to notice before the next request.
        server.latest.reset_now()
        body = pieces(b"sec", b"ond") if streamed else b"second"
        found = await call(pool, server.upstream, b"POST", body, retry=RetryRule.UNWRITTEN)
        assert await read(found) == b"second"
        assert (server.visits, len(server.seen)) == (2, 2)


async def test_a_body_in_pieces_is_not_repeated() -> None:
    async with serving(origin.closes_on_second_request) as server, pooled() as pool:
        await read(await call(pool, server.upstream))
        with pytest.raises(UpstreamFailure):
            await call(pool, server.upstream, b"GET", pieces(b"x"))
        assert server.visits == 1


@pytest.mark.parametrize(
    "behaviour", [origin.closes_at_once, origin.resets_before_head, origin.closing_after(b"")]
)
async def test_a_fresh_connection_that_closes_is_not_tried_again(behaviour: Behaviour) -> None:
    async with serving(behaviour) as server, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream)
        assert not caught.value.reused
        assert server.visits == 1


async def test_a_reused_connection_that_began_to_answer_is_not_tried_again() -> None:
    async def behave(visit: origin.Visit) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.request()
        await visit.send(b"HTTP/1.1 200")
        visit.close()

    async with serving(behave) as server, pooled() as pool:
        await read(await call(pool, server.upstream))
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, server.upstream)
        assert caught.value.begun
        assert server.visits == 1


async def test_an_address_where_nothing_listens_is_unreachable(tmp_path: Path) -> None:
    nowhere = (
        refusing(),
        Upstream("unix", socket=str(tmp_path / "none")),
        Upstream("unix", socket="/" + "x" * 300),
        Upstream("http", "no-such-host.invalid", 80),
        Upstream("http", "a" * 70 + ".invalid", 80),
    )
    async with pooled() as pool:
        for upstream in nowhere:
            with pytest.raises(UpstreamFailure) as caught:
                await call(pool, upstream)
            assert (caught.value.kind, caught.value.written) == ("unreachable", False)


async def test_a_name_is_tried_at_each_of_its_addresses() -> None:
    # `localhost` is ::1 too on most machines, where this origin does not listen.
    async with serving(origin.answering(OK)) as server, pooled() as pool:
        named = Upstream("http", "localhost", server.upstream.port)
        assert await read(await call(pool, named)) == b"ok"


async def test_an_address_that_does_not_answer_is_given_up_in_time() -> None:
    async with unresponsive() as upstream, pooled() as pool:
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, upstream, timeouts=Timeouts(connect=0.1))
        assert caught.value.kind == "unreachable"


async def test_idle_connections_end_after_their_time() -> None:
    async with serving(origin.answering(OK)) as server, pooled(PoolLimits(idle=0.05)) as pool:
        await read(await call(pool, server.upstream))
        assert pool.open_count == 1
        await until(lambda: pool.open_count == 0)


async def test_old_connections_are_not_used_again() -> None:
    async with serving(origin.answering(OK)) as server, pooled(PoolLimits(age=0)) as pool:
        for _ in range(2):
            await read(await call(pool, server.upstream))
        assert server.visits == 2
        await until(lambda: pool.open_count == 0)


async def test_more_idle_connections_than_allowed_are_closed() -> None:
    async with serving(origin.answering(OK)) as server, pooled(PoolLimits(idle_count=2)) as pool:
        await asyncio.gather(*(call(pool, server.upstream) for _ in range(5)))
        await until(lambda: pool.open_count == 2)


@pytest.mark.parametrize(("keep_alive", "kept"), [(b"timeout=0", False), (b"timeout=60", True)])
async def test_the_upstream_says_how_long_it_keeps_a_connection(
    keep_alive: bytes, kept: bool
) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nkeep-alive: " + keep_alive + b"\r\n\r\n")
    async with serving(origin.answering(answer)) as server, pooled() as pool:
        for _ in range(2):
            await read(await call(pool, server.upstream))
        assert server.visits == (1 if kept else 2)


async def test_a_request_that_cannot_be_written_costs_no_connection() -> None:
    request = UpstreamRequest(b"GET", b"/", ((b"x", b"a\r\nb: c"),))
    async with serving(origin.answering(OK)) as server, pooled() as pool:
        for _ in range(3):
            with pytest.raises(InvalidRequest):
                await pool.exchange(server.upstream, request, PATIENT)
        assert (await call(pool, server.upstream)).status == 200
        assert (server.visits, len(server.seen)) == (1, 1)


async def test_several_addresses_take_turns_and_those_that_fail_are_passed_over() -> None:
    async with (
        serving(origin.answering(OK)) as one,
        serving(origin.answering(OK)) as two,
        pooled() as pool,
    ):
        upstreams = (refusing(), one.upstream, two.upstream)
        answers = [await call(pool, upstreams) for _ in range(8)]
        assert {answer.upstream for answer in answers} == {one.upstream, two.upstream}
        assert min(len(one.seen), len(two.seen)) >= 2


async def test_an_address_is_loaded_with_what_is_connecting_or_in_flight_and_nothing_else(
    tmp_path: Path,
) -> None:
    refused, tls = refusing(), Upstream("https", "127.0.0.1", refusing().port)
    async with serving(origin.hangs) as server, unresponsive() as hole, pooled() as pool:
        for failing in (refused, tls, Upstream("unix", socket=str(tmp_path / "none"))):
            with pytest.raises(UpstreamFailure):
                await call(pool, failing)
            assert pool.load(failing) == 0
        tasks = [asyncio.create_task(call(pool, hole)) for _ in range(2)]
        tasks += [asyncio.create_task(call(pool, server.upstream)) for _ in range(3)]
        await until(lambda: (pool.load(hole), pool.load(server.upstream)) == (2, 3))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: (pool.load(hole), pool.load(server.upstream)) == (0, 0))
        server.behaviour = origin.answering(OK)
        await read(await call(pool, server.upstream))
        assert (pool.open_count, pool.load(server.upstream)) == (1, 0)


async def test_the_request_is_made_for_the_address_that_was_chosen() -> None:
    def made(upstream: Upstream) -> UpstreamRequest:
        return UpstreamRequest(b"GET", b"/", ((b"host", upstream.authority.encode()),))

    async with serving(origin.answering(OK)) as server, pooled() as pool:
        answer = await pool.exchange((refusing(), server.upstream), made, PATIENT)
        assert answer.upstream == server.upstream
        assert server.seen[0].values(b"host") == [server.upstream.authority.encode()]


async def test_when_no_address_connects_it_is_unreachable() -> None:
    async with pooled() as pool:
        for _ in range(2):
            with pytest.raises(UpstreamFailure) as caught:
                await call(pool, (refusing(), refusing()))
            assert caught.value.kind == "unreachable"


async def test_closing_the_pool_ends_what_is_under_way() -> None:
    behaviour = origin.silent_after(b"HTTP/1.1 200 OK\r\n\r\nhello")
    async with serving(behaviour) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        await pool.aclose()
        with pytest.raises(UpstreamFailure) as caught:
            await read(found)
        assert caught.value.kind == "truncated"
        with pytest.raises(UpstreamFailure):
            await call(pool, server.upstream)
        assert pool.open_count == 0


# TLS.


async def test_tls_is_spoken_checked_and_reused(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    async with serving(origin.echoes, certificate=certificate) as server, pooled() as pool:
        for _ in range(2):
            found = await call(pool, server.upstream, b"POST", b"x" * 300_000)
            assert await read(found) == b"x" * 300_000
        assert server.visits == 1


@pytest.mark.parametrize(
    ("trusted", "name", "verify", "taken"),
    [
        (True, None, True, True),
        (True, "function.example", True, False),
        (False, None, True, False),
        (False, None, False, True),
    ],
)
async def test_a_certificate_is_refused_unless_issuer_and_name_are_right(
    tmp_path: Path, trusted: bool, name: str | None, verify: bool, taken: bool
) -> None:
    certificate = self_signed(tmp_path)
    tls = Tls(verify, str(certificate.file) if trusted else None, server_name=name)
    async with (
        serving(origin.answering(OK), certificate=certificate) as server,
        pooled() as pool,
    ):
        upstream = Upstream("https", server.upstream.host, server.upstream.port, tls=tls)
        if taken:
            assert await read(await call(pool, upstream)) == b"ok"
            return
        with pytest.raises(UpstreamFailure, match="certificate") as caught:
            await call(pool, upstream, b"POST", b"s3cret")
        assert (caught.value.kind, caught.value.written) == ("unreachable", False)
        assert server.seen == []


async def test_a_handshake_that_fails_is_tried_once_more(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    with origin.failing_handshakes(certificate, 1) as upstream:
        async with pooled() as pool:
            assert await read(await call(pool, upstream, b"POST", b"x")) == b"ok"
    with origin.failing_handshakes(certificate, 2) as upstream:
        async with pooled() as pool:
            with pytest.raises(UpstreamFailure) as caught:
                await call(pool, upstream)
            assert caught.value.kind == "unreachable"


async def test_connections_with_other_tls_settings_are_not_shared(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    async with serving(origin.answering(OK), certificate=certificate) as server, pooled() as pool:
        lax = Upstream("https", "127.0.0.1", server.upstream.port, tls=Tls(verify=False))
        await read(await call(pool, lax))
        strict = Upstream("https", "127.0.0.1", server.upstream.port)
        with pytest.raises(UpstreamFailure):
            await call(pool, strict)


async def test_a_missing_ca_file_is_unreachable_and_says_so(tmp_path: Path) -> None:
    upstream = Upstream("https", "127.0.0.1", 1, tls=Tls(ca_file=str(tmp_path / "none.pem")))
    async with pooled() as pool:
        with pytest.raises(UpstreamFailure, match="No such file"):
            await call(pool, upstream)


async def test_plain_http_on_a_tls_address_is_unreachable() -> None:
    async with serving(origin.closes_at_once) as server, pooled() as pool:
        upstream = Upstream("https", "127.0.0.1", server.upstream.port)
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, upstream)
        assert caught.value.kind == "unreachable"


async def test_a_tls_body_that_ends_without_close_notify_is_truncated(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\nhello"

    async def cuts(visit: origin.Visit) -> None:
        await visit.request()
        await visit.send(answer)
        visit.writer.transport.abort()

    certificate = self_signed(tmp_path)
    async with serving(cuts, certificate=certificate) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        with pytest.raises(UpstreamFailure) as caught:
            await read(found)
        assert caught.value.kind == "truncated"
        server.behaviour = origin.closing_after(answer)
        assert await read(await call(pool, server.upstream)) == b"hello"


async def test_a_slow_consumer_loses_nothing_when_a_tls_upstream_closes(tmp_path: Path) -> None:
    size = 900_000
    answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
    behaviour = origin.closing_after(answer + b"x" * size)
    certificate = self_signed(tmp_path)
    async with serving(behaviour, certificate=certificate) as server, pooled() as pool:
        found = await call(pool, server.upstream)
        await until(lambda: found.held > 128 * 1024)
        taken = 0
        async for piece in found.body:
            taken += len(piece)
            assert found.held <= 256 * 1024
            await asyncio.sleep(0.001)
        assert taken == size


async def test_an_upstream_that_hangs_in_the_handshake_is_given_up_in_time() -> None:
    async with serving(origin.hangs) as server, pooled() as pool:
        upstream = Upstream("https", "127.0.0.1", server.upstream.port)
        with pytest.raises(UpstreamFailure) as caught:
            await call(pool, upstream, timeouts=Timeouts(connect=0.1))
        assert caught.value.kind == "unreachable"
        await server.departures.acquire()
        await until(lambda: pool.open_count == 0)


# Upgrades.


async def test_after_101_bytes_pass_both_ways() -> None:
    async with serving(origin.switches_protocols) as server, pooled() as pool:
        found = await call(pool, server.upstream, upgrade=True)
        assert found.status == 101
        assert (b"upgrade", b"websocket") in found.headers
        tunnel = found.tunnel
        assert tunnel is not None
        assert await tunnel.read() == b"hello"
        await tunnel.write(b"x" * 200_000)
        back = b""
        while len(back) < 200_000:
            back += await tunnel.read()
        tunnel.close()
        assert await tunnel.read() == b""
        with pytest.raises(UpstreamFailure):
            await tunnel.write(b"more")
        await until(lambda: pool.open_count == 0)


async def test_an_upgrade_that_is_refused_is_an_ordinary_answer() -> None:
    async with serving(origin.answering(OK)) as server, pooled() as pool:
        found = await call(pool, server.upstream, upgrade=True)
        assert (found.tunnel, await read(found)) == (None, b"ok")


@pytest.mark.parametrize(("resets", "kind"), [(False, None), (True, "truncated")])
async def test_a_tunnel_tells_an_end_from_a_cut(resets: bool, kind: str | None) -> None:
    async def behave(visit: origin.Visit) -> None:
        await visit.head()
        await visit.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
        if resets:
            visit.reset()
        else:
            visit.close()

    async with serving(behave) as server, pooled() as pool:
        tunnel = (await call(pool, server.upstream, upgrade=True)).tunnel
        assert tunnel is not None
        assert await tunnel.read() == b"hello"
        if kind is None:
            assert await tunnel.read() == b""
        else:
            with pytest.raises(UpstreamFailure) as caught:
                await tunnel.read()
            assert caught.value.kind == kind


async def test_a_silent_tunnel_ends_after_its_idle_time_and_holds_little() -> None:
    async def flood(visit: origin.Visit) -> None:
        await visit.head()
        await visit.send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        await visit.send(b"x" * 3_000_000)
        await visit.gone()

    async with serving(flood) as server, pooled() as pool:
        tunnel = (await call(pool, server.upstream, upgrade=True)).tunnel
        assert tunnel is not None
        await until(lambda: tunnel.held > 128 * 1024)
        taken = 0
        while taken < 3_000_000:
            assert tunnel.held <= 256 * 1024
            taken += len(await tunnel.read())
        tunnel.set_idle(0.05)
        with pytest.raises(UpstreamFailure) as caught:
            await tunnel.read()
        assert caught.value.kind == "idle"
        await server.departures.acquire()


async def test_leaving_an_answer_ends_its_tunnel() -> None:
    async with serving(origin.switches_protocols) as server, pooled() as pool:
        found = await call(pool, server.upstream, upgrade=True)
        await found.aclose()
        await until(lambda: pool.open_count == 0)


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = certificate.server_context()
    context.load_verify_locations(certificate.file)
    context.verify_mode = ssl.CERT_REQUIRED
    file = str(certificate.file)
    answered = origin.Origin(origin.answering(OK))
    server = await asyncio.start_server(answered.accept, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with pooled() as pool:
        with_it = Upstream("https", "127.0.0.1", port, tls=Tls(True, file, file, file))
        assert await read(await call(pool, with_it)) == b"ok"
        without = Upstream("https", "127.0.0.1", port, tls=Tls(True, file))
        with pytest.raises(UpstreamFailure):
            await call(pool, without)
    server.close()
    await answered.stop()


async def test_a_hundred_at_once_each_get_their_own_answer() -> None:
    async with serving(origin.echoes) as server, pooled() as pool:

        async def one(number: int) -> None:
            body = b"%d" % number * 100
            for _ in range(5):
                assert await read(await call(pool, server.upstream, b"POST", body)) == body

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
        assert server.visits <= 100
