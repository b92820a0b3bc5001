"""HTTP/1 over real sockets: endings that cannot be mistaken, early answers, clients that leave."""

import asyncio
import json
import socket
from pathlib import Path

import anyio
import pytest

from tests.support.edge_server import running


def get(target: str, version: str = "1.1", *fields: str) -> bytes:
    lines = [f"GET {target} HTTP/{version}", "host: x", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def post(target: str, *fields: str) -> bytes:
    return get(target, "1.1", *fields).replace(b"GET", b"POST", 1)


CLOSE = "connection: close"


@pytest.mark.parametrize("target", ["/target", "/target?", "/target?a=%20&", "/target/%2f//../x"])
async def test_the_raw_target_reaches_the_app(tmp_path: Path, target: str) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get(target, "1.1", CLOSE))
    assert answer.endswith(f"\r\n\r\nGET {target}".encode())


async def test_methods_and_absolute_targets_are_not_normalised(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(b"patch /target HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await client.answer())[1] == b"patch /target"
        client.send(b"GET http://h/target HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await client.answer())[0].startswith(b"HTTP/1.1 404")
        client.close()


@pytest.mark.parametrize("path", ["/abort", "/crash"])
async def test_a_broken_off_chunked_answer_lacks_its_last_chunk(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get(path))
    assert answer.endswith(b"\r\n\r\n4\r\nhalf\r\n")


@pytest.mark.parametrize("path", ["/abort?length", "/crash?length"])
async def test_a_broken_off_answer_with_a_length_is_short(tmp_path: Path, path: str) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get(path))
    assert b"content-length: 1000" in answer
    assert answer.endswith(b"\r\n\r\nhalf")


@pytest.mark.parametrize("path", ["/abort", "/crash"])
async def test_a_broken_off_close_delimited_answer_ends_in_a_reset(
    tmp_path: Path, path: str
) -> None:
    async with running(tmp_path) as edge:
        with pytest.raises(ConnectionResetError):
            await edge.ask(get(path, "1.0"))


async def test_a_whole_http_1_0_answer_ends_in_good_order(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get("/slow?0", "1.0"))
    assert answer.endswith(b"begun done")


async def test_an_early_answer_reaches_a_client_that_still_sends_a_mebibyte(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/early", f"content-length: {2**20}"))
        head, body = await client.answer()
        client.send(b"x" * 2**20)
        await client.writer.drain()
        assert await client.rest() == b""
        client.close()
    assert head.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in head.lower()
    assert body == b"no thanks"


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("content-length: 65536", b"x" * 65536),
        ("transfer-encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    ],
)
async def test_a_small_unread_body_is_dropped_and_the_connection_kept(
    tmp_path: Path, framing: str, body: bytes
) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/early", framing))
        head, _ = await client.answer()
        client.send(body)
        assert await client.get("/target") == b"GET /target"
        client.close()
    assert b"connection: close" not in head.lower()


async def test_an_unread_body_is_never_taken_for_a_request(tmp_path: Path) -> None:
    smuggled = get("/target")
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/early", f"content-length: {len(smuggled)}") + smuggled)
        await client.answer()
        assert await client.get("/pid") != b"GET /target"
        client.close()


async def test_an_unread_body_without_end_closes_the_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/early", "transfer-encoding: chunked"))
        await client.answer()
        for _ in range(8):
            client.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        assert await client.rest() == b""
        client.close()


async def test_100_continue_is_sent_only_when_the_app_wants_the_body(tmp_path: Path) -> None:
    expect = "expect: 100-continue"
    async with running(tmp_path) as edge:
        refused = await edge.ask(post("/early", expect, "content-length: 5"))
        client = await edge.connect()
        client.send(post("/body", expect, "content-length: 5"))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        client.send(b"hello")
        assert (await client.answer())[1] == b"5"
        client.close()
    assert refused.startswith(b"HTTP/1.1 413")


async def test_a_large_body_reaches_the_app_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/body", f"content-length: {5 * 2**20}") + b"x" * (5 * 2**20))
        assert (await client.answer())[1] == str(5 * 2**20).encode()
        client.close()


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get("/slow?0.05") + get("/target?2") + get("/x", "1.1", CLOSE))
    places = [answer.index(part) for part in (b" done", b"GET /target?2", b"nothing here")]
    assert places == sorted(places)


async def test_a_half_closed_client_gets_its_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/slow?0.2"))
        client.writer.write_eof()
        assert (await client.rest()).endswith(b"0\r\n\r\n")
        client.close()


async def test_a_half_closed_client_whose_answer_stands_still_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/stuck"))
        client.writer.write_eof()
        await edge.until(lambda: edge.small.left == 1)
        client.close()


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("path", ["/stuck", "/flood"])
async def test_a_client_that_leaves_ends_its_request(tmp_path: Path, how: str, path: str) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get(path))
        await client.until(b"\r\n\r\n")
        getattr(client, how)()
        await edge.until(lambda: edge.small.left == 1)
        await edge.until(lambda: not edge.server.connections)


async def test_an_app_that_ignores_its_leaving_client_is_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/slow?60"))
        await client.until(b"begun")
        client.reset()
        await edge.until(lambda: not edge.server.connections)


async def test_a_client_that_leaves_amid_its_upload_ends_its_request(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/early", "content-length: 100") + b"x")
        client.reset()
        await edge.until(lambda: not edge.server.connections)


async def test_a_client_that_resets_an_upload_that_nobody_reads_is_noticed(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(post("/slow?60", f"content-length: {2**24}") + b"x" * 2**24)
        await client.until(b"begun")
        (connection,) = edge.server.connections
        await edge.until(lambda: not connection.writer.transport.is_reading())
        linger = client.writer.get_extra_info("socket")
        linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.reset()
        await edge.until(lambda: not edge.server.connections)


async def test_nothing_is_left_of_many_connections_however_they_end(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        before = len(asyncio.all_tasks())
        requests = [get("/pid"), get("/abort"), post("/body", "content-length: 9"), b"junk", b""]
        for index in range(100):
            client = await edge.connect()
            client.send(requests[index % len(requests)])
            await asyncio.sleep(0)
            client.reset() if index % 2 else client.close()
        await edge.until(lambda: not edge.server.connections)
        await edge.until(lambda: len(asyncio.all_tasks()) <= before)


BAD_HEADS = {
    "bare LF": (b"GET /target HTTP/1.1\nhost: x\n\n", 400, "bad_request"),
    "NUL": (b"GET /target HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n", 400, "bad_request"),
    "folded": (b"GET /target HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n", 400, "bad_request"),
    "no colon": (b"GET /target HTTP/1.1\r\nhost x\r\n\r\n", 400, "bad_request"),
    "no host": (b"GET /target HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "both framings": (
        post("/target", "content-length: 3", "transfer-encoding: chunked") + b"0\r\n\r\n",
        400,
        "bad_request",
    ),
    "two empty lines": (b"\r\n\r\n" + get("/target"), 400, "bad_request"),
    "HTTP/2.0": (b"GET /target HTTP/2.0\r\nhost: x\r\n\r\n", 400, "bad_request"),
    "half a preface": (b"PRI * HTTP/2.0\r\n\r\n" + get("/target"), 400, "bad_request"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request"),
    "a long line": (get("/" + "a" * 8192), 414, "uri_too_long"),
    "a line without end": (b"GET /" + b"a" * 100_000, 414, "uri_too_long"),
    "a large block": (get("/target", "1.1", "a: " + "a" * 32768), 431, "headers_too_large"),
    "a block without end": (
        b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"a" * 100_000,
        431,
        "headers_too_large",
    ),
    "many fields": (get("/target", "1.1", *["a: b"] * 128), 431, "headers_too_large"),
}


def is_refusal(answer: bytes, status: int, code: str) -> bool:
    """Whether this is one answer of the edge, as the contract has its errors, and nothing else."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    fields = dict(entry.split(": ", 1) for entry in lines)
    said = json.loads(body)
    assert line == f"HTTP/1.1 {status} {said['error']}"
    assert set(said) == {"error", "message", "code", "requestId"}
    assert said["requestId"] == fields["x-request-id"]
    assert fields["content-type"] == "application/json"
    assert fields["content-length"] == str(len(body))
    assert fields["x-jelou-error-source"] == "edge"
    assert fields["cache-control"] == "no-store"
    assert fields["connection"] == "close"
    assert fields["access-control-allow-origin"] == "*"
    assert "X-Request-Id" in fields["access-control-expose-headers"]
    assert fields["date"].endswith(" GMT")
    assert "\ufffd" not in said["message"]
    return bool(said["code"] == code)


@pytest.mark.parametrize(("bad", "status", "code"), BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_a_bad_head_is_refused_and_the_connection_ends(
    tmp_path: Path, bad: bytes, status: int, code: str
) -> None:
    async with running(tmp_path) as edge:
        assert is_refusal(await edge.ask(bad + get("/target")), status, code)
        assert edge.small.seen == []


@pytest.mark.parametrize(("bad", "status", "code"), BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_a_bad_head_behind_a_good_request_is_refused_in_its_turn(
    tmp_path: Path, bad: bytes, status: int, code: str
) -> None:
    good = post("/slow?0.05", "transfer-encoding: chunked") + b"2\r\nhi\r\n0\r\n\r\n"
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(good + bad + get("/target"))
        assert (await client.until(b"done\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert is_refusal(await client.rest(), status, code)
        assert edge.small.seen == [("POST", b"/slow")]
        client.close()


async def test_a_head_at_its_limits_is_served(tmp_path: Path) -> None:
    target = "/target?" + "a" * (8192 - len("GET /target? HTTP/1.1"))
    large = "a: " + "a" * (32768 - len("\r\nhost: x\r\na: \r\nconnection: close"))
    async with running(tmp_path) as edge:
        answer = await edge.ask(get(target, "1.1", large, CLOSE))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"GET " + target.encode())


async def test_a_bad_head_byte_by_byte_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /target HTTP/1.1\r\nhost: x\n":
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert is_refusal(await client.rest(), 400, "bad_request")
        assert edge.small.seen == []
        client.close()


@pytest.mark.parametrize(
    "broken", [b"x\r\n", b"5;" + b"a" * 300, b"2\r\nhi\r\n0\r\na: b\n\r\n\r\n"]
)
async def test_a_broken_chunked_body_is_refused_and_nothing_behind_it_is_a_request(
    tmp_path: Path, broken: bytes
) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(
            post("/body", "transfer-encoding: chunked") + broken + get("/target")
        )
        assert is_refusal(answer, 400, "bad_request")
        assert edge.small.seen == [("POST", b"/body")]


async def test_a_broken_body_of_a_head_request_gets_the_head_alone(tmp_path: Path) -> None:
    sent = post("/body", "transfer-encoding: chunked").replace(b"POST", b"HEAD") + b"x\r\n"
    async with running(tmp_path) as edge:
        answer = await edge.ask(sent)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\n")


async def test_a_bad_head_behind_a_head_request_gets_the_whole_error(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/pid").replace(b"GET", b"HEAD") + b"junk\r\n")
        await client.until(b"\r\n\r\n")
        assert is_refusal(await client.rest(), 400, "bad_request")
        client.close()


async def test_what_follows_the_last_request_of_a_connection_is_let_go(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        answer = await edge.ask(get("/target", "1.1", CLOSE) + b"junk\n" + get("/pid"))
        assert answer.endswith(b"\r\n\r\nGET /target")
        assert edge.small.seen == [("GET", b"/target")]


async def test_one_empty_line_before_a_request_is_let_pass(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        client = await edge.connect()
        for _ in range(2):
            client.send(b"\r\n")
            assert await client.get("/target") == b"GET /target"
        client.close()


async def test_a_pipelined_head_that_does_not_go_on_is_answered_408(tmp_path: Path) -> None:
    async with running(tmp_path, head_timeout=0.2) as edge:
        client = await edge.connect()
        client.send(get("/target") + b"GET /pid HTTP/1.1\r\n")
        assert (await client.answer())[1] == b"GET /target"
        assert is_refusal(await client.rest(), 408, "request_timeout")
        client.close()


async def test_a_head_behind_a_dropped_body_that_does_not_go_on_is_answered_408(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, head_timeout=0.2) as edge:
        client = await edge.connect()
        client.send(post("/early", "content-length: 5"))
        assert (await client.answer())[1] == b"no thanks"
        client.send(b"helloGET /pid HTTP/1.1\r\n")
        assert is_refusal(await client.rest(), 408, "request_timeout")
        client.close()


async def test_an_upgrade_to_what_is_not_spoken_is_passed_over(tmp_path: Path) -> None:
    upgrade = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/target", "1.1", *upgrade) + get("/pid") + get("/target?2"))
        assert (await client.answer())[1] == b"GET /target"
        await client.answer()
        assert (await client.answer())[1] == b"GET /target?2"
        client.close()


async def test_a_head_that_takes_too_long_is_answered_408(tmp_path: Path) -> None:
    async with running(tmp_path, head_timeout=0.2) as edge:
        assert (await edge.ask(b"GET / HTTP/1.1\r\n")).startswith(b"HTTP/1.1 408")
        assert await edge.ask(b"") == b""


async def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async with running(tmp_path, keep_alive=0.2) as edge:
        client = await edge.connect()
        await client.get("/pid")
        assert await client.rest() == b""
        client.close()


async def test_a_connection_at_work_is_not_idle(tmp_path: Path) -> None:
    async with running(tmp_path, keep_alive=0.1, head_timeout=0.1) as edge:
        client = await edge.connect()
        client.send(get("/slow?0.5"))
        assert (await client.until(b"0\r\n\r\n")).count(b"done") == 1
        client.close()


async def test_a_client_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    async with running(tmp_path, slow_reader=0.3) as edge:
        with socket.create_connection(("127.0.0.1", edge.port)) as client:
            client.sendall(get("/flood"))
            await edge.until(lambda: edge.small.left == 1)
            await edge.until(lambda: not edge.server.connections)


async def test_an_edge_that_floods_a_slow_client_holds_little(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        with socket.create_connection(("127.0.0.1", edge.port)) as client:
            client.sendall(get("/flood"))
            await anyio.sleep(0.3)
            (connection,) = edge.server.connections
            assert 0 < connection.writer.transport.get_write_buffer_size() <= 256 * 1024


async def test_connections_beyond_the_limit_are_answered_503(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=1) as edge:
        client = await edge.connect()
        await client.get("/pid")
        refused = await edge.ask(b"")
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable")
        assert b'"code":"overloaded"' in refused
        assert b"Too many connections" in refused
        client.close()
        await edge.until(lambda: not edge.server.connections)
        assert (await edge.ask(get("/pid", "1.1", CLOSE))).startswith(b"HTTP/1.1 200")


async def test_draining_lets_requests_finish_and_closes_idle_connections(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=5.0) as edge:
        idle, busy = await edge.connect(), await edge.connect()
        await idle.get("/pid")
        busy.send(get("/slow?0.5"))
        await busy.until(b"begun")
        draining = asyncio.create_task(edge.server.drain())
        assert await idle.rest() == b""
        fresh = await edge.ask(get("/ready"))
        assert (await busy.rest()).endswith(b"0\r\n\r\n")
        with anyio.fail_after(5):
            await draining
        with pytest.raises(ConnectionRefusedError):
            await edge.connect()
        idle.close()
        busy.close()
    assert fresh.startswith(b"HTTP/1.1 503")
    assert b"connection: close" in fresh.lower()


async def test_draining_ends_endless_streams_properly(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=5.0) as edge:
        client = await edge.connect()
        client.send(get("/endless"))
        await client.until(b"open")
        draining = asyncio.create_task(edge.server.drain())
        assert (await client.rest()).endswith(b"7\r\n closed\r\n0\r\n\r\n")
        with anyio.fail_after(5):
            await draining
        client.close()


async def test_draining_is_bounded_and_what_it_cuts_does_not_look_whole(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=0.2) as edge:
        client = await edge.connect()
        client.send(get("/slow?60"))
        await client.until(b"begun\r\n")
        with anyio.fail_after(5):
            await edge.server.drain()
        assert not (await client.rest()).endswith(b"0\r\n\r\n")
        client.close()


async def test_a_close_delimited_answer_that_draining_cuts_ends_in_a_reset(tmp_path: Path) -> None:
    async with running(tmp_path, drain_timeout=0.1) as edge:
        client = await edge.connect()
        client.send(get("/slow?60", "1.0"))
        await client.until(b"begun")
        await edge.server.drain()
        with pytest.raises(ConnectionResetError):
            await client.rest()
        client.close()


async def test_websocket_messages_go_both_ways_and_a_leaving_client_ends_it(tmp_path: Path) -> None:
    fields = ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13")
    fields += ("sec-websocket-extensions: permessage-deflate",)
    async with running(tmp_path) as edge:
        client = await edge.connect()
        client.send(get("/ws", "1.1", *fields, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="))
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"extensions" not in head.lower()
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        client.send(b"\x81\x82\x00\x00\x00\x00hi")
        with anyio.fail_after(5):
            assert await client.reader.readexactly(4) == b"\x81\x02hi"
        client.reset()
        await edge.until(lambda: not edge.server.connections)


@pytest.mark.parametrize(
    "fields",
    [
        ("sec-websocket-version: 13",),
        ("sec-websocket-version: 12", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="),
    ],
    ids=["no key", "old version"],
)
async def test_a_bad_websocket_handshake_is_refused_and_closed(
    tmp_path: Path, fields: tuple[str, ...]
) -> None:
    async with running(tmp_path) as edge:
        opening = get("/ws", "1.1", "connection: upgrade", "upgrade: websocket", *fields)
        head, _, body = (await edge.ask(opening)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in head
    for field in (b"x-jelou-error-source: edge", b"sec-websocket-version: 13", b"x-request-id: "):
        assert field in head
    assert json.loads(body)["code"] == "bad_request"
