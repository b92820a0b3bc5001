"""WebSockets through the edge on either lane: the handshake, messages and endings both ways."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)

from tests.support.calling import TOKEN, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import request
from tests.support.origin import OK, Origin, Visit, answering, closing_after, hangs, refusing
from tests.support.websockets import Socket, accept, connected, echo, handshake, opening, speaks

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"


def sent(edge: EdgeInProcess) -> list[tuple[str, str]]:
    """The token as fields."""
    return [(TOKEN, edge.token)]


@pytest.fixture(params=["fast", "asgi"])
def lane(request: pytest.FixtureRequest) -> str:
    """Which lane has the client's connection."""
    return str(request.param)


@pytest.fixture
async def edge(tmp_path: Path, lane: str) -> AsyncIterator[EdgeInProcess]:
    """An edge without functions."""
    async with running(tmp_path, fast_lane=lane == "fast") as started:
        yield started


@pytest.fixture
def echoing(edge: EdgeInProcess, origin: Origin) -> EdgeInProcess:
    """An edge before a function that echoes."""
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream)
    return edge


@pytest.mark.parametrize(
    "message",
    ["", "text", "ä€𝄞", b"", b"\0\xff" * 10, "x" * 100_000, b"y" * 1_000_000],
    ids=lambda message: f"{type(message).__name__} of {len(message)}",
)
async def test_messages_go_both_ways(echoing: EdgeInProcess, message: str | bytes) -> None:
    async with connected(echoing, sent(echoing)) as socket:
        for _ in range(3):
            if isinstance(message, str):
                await socket.send(TextMessage(message))
            else:
                await socket.send(BytesMessage(message))
            assert await socket.message() == message


async def test_fragments_are_one_message(echoing: EdgeInProcess) -> None:
    async with connected(echoing, sent(echoing)) as socket:
        for part in ("one ", "two ", "thr"):
            await socket.send(TextMessage(part, message_finished=False))
        await socket.send(Ping(b"between"))
        await socket.send(TextMessage("ee", message_finished=True))
        assert await socket.message() == "one two three"
        assert socket.pongs == [b"between"]


async def test_a_fragmented_message_of_the_function_arrives(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send(BytesMessage(b"ab", message_finished=False))
        await socket.send(Ping(b"between"))
        await socket.send(BytesMessage(b"c", message_finished=True))
        assert await socket.message() == "taken"
        assert socket.pongs == [b"between"]

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        assert await socket.message() == b"abc"
        await socket.send(TextMessage("taken"))


async def test_the_first_message_may_come_with_the_101(edge: EdgeInProcess, origin: Origin) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send(TextMessage("at once"))

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        assert await socket.message() == "at once"


# The handshake.


async def test_the_handshake_needs_the_token(echoing: EdgeInProcess, origin: Origin) -> None:
    for fields in ([], [(TOKEN, "jfn_rt_x")], sent(echoing) * 2):
        async with echoing.http1() as client:
            answer = await handshake(client, fields=fields)
            assert answer.status == 401
            assert answer.body == (
                b'{"error":"Unauthorized","message":"Missing or invalid X-Jelou-Token header"}'
            )
            assert answer.one("www-authenticate") == 'JelouToken realm="shop"'
            assert answer.whole
    assert not origin.visits


async def test_the_function_sees_the_handshake_and_whose_it_is(
    echoing: EdgeInProcess, origin: Origin, lane: str
) -> None:
    extra = [
        *sent(echoing),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "https://page.example"),
        ("cookie", "a=1"),
        ("x-jelou-function", "forged"),
    ]
    async with connected(echoing, extra, "/chat%2Froom?a=%20") as socket:
        assert socket.answer is not None
        assert socket.answer.one("x-request-id")
    seen = origin.seen[0]
    assert seen.target == b"/chat%2Froom?a=%20"
    assert seen.values(b"upgrade") == [b"websocket"]
    assert seen.values(b"connection") == [b"upgrade"]
    assert seen.values(b"x-jelou-function") == [b"shop"]
    assert seen.values(b"origin") == [b"https://page.example"]
    assert seen.values(b"cookie") == [b"a=1"]
    assert not seen.values(b"x-jelou-token")
    offered = seen.values(b"sec-websocket-extensions")
    assert offered == ([b"permessage-deflate"] if lane == "fast" else [])


async def test_the_subprotocol_that_the_function_chose_is_told(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = speaks(echo, b"sec-websocket-protocol: v2\r\nx-own: 1\r\n")
    edge.deploy(origin.upstream)
    offered = [*sent(edge), ("sec-websocket-protocol", "v1, v2")]
    async with connected(edge, offered) as socket:
        assert socket.answer is not None
        assert socket.answer.one("sec-websocket-protocol") == "v2"
        assert socket.answer.one("x-own") == "1"
    assert origin.seen[0].values(b"sec-websocket-protocol") == [b"v1, v2"]


async def test_a_public_functions_websocket_needs_no_token(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream, public=True)
    async with connected(edge) as socket:
        await socket.send(TextMessage("hi"))
        assert await socket.message() == "hi"


async def test_any_other_status_is_relayed_as_plain_http(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = answering(
        b"HTTP/1.1 426 Upgrade Required\r\nx-own: 1\r\ncontent-length: 4\r\n\r\nnope"
    )
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        answer = await handshake(client, fields=sent(edge))
    assert (answer.status, answer.body, answer.whole) == (426, b"nope", True)
    assert answer.one("x-own") == "1"
    assert not answer.all("x-jelou-error-source")


async def test_a_refusal_that_is_cut_does_not_look_whole(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = closing_after(
        b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    )
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        answer = await handshake(client, fields=sent(edge))
    assert (answer.status, answer.body, answer.whole) == (403, b"half", False)


NOT_SWITCHED = {
    "no accept": SWITCHING + b"\r\n",
    "wrong accept": SWITCHING + b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    "not HTTP": b"hello\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answered", NOT_SWITCHED.values(), ids=NOT_SWITCHED.keys())
async def test_a_101_without_proof_is_502(
    edge: EdgeInProcess, origin: Origin, answered: bytes
) -> None:
    origin.behaviour = closing_after(answered)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        answer = await handshake(client, fields=sent(edge))
    assert (answer.status, answer.whole) == (502, True)
    assert answer.json["code"] in ("upstream_invalid", "upstream_unreachable")


async def test_a_function_that_is_down_or_silent_is_an_error_of_the_edge(
    edge: EdgeInProcess, origin: Origin
) -> None:
    edge.deploy(refusing())
    async with edge.http1() as client:
        answer = await handshake(client, fields=sent(edge))
    assert (answer.status, answer.json["code"]) == (502, "upstream_unreachable")
    origin.behaviour = hangs
    edge.deploy(origin.upstream, timeout=100)
    async with edge.http1() as client:
        answer = await handshake(client, fields=sent(edge))
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout")


async def test_an_upgrade_to_anything_else_is_a_plain_request(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = answering(OK)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        fields = [*sent(edge), ("connection", "upgrade"), ("upgrade", "h2c")]
        answer = await client.ask(fields=fields)
    assert (answer.status, answer.body) == (200, b"ok")
    assert not origin.seen[0].values(b"upgrade")


async def test_a_client_that_leaves_amid_its_handshake_frees_the_function(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = hangs
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(opening(fields=sent(edge)))
        await until(lambda: origin.visits)
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def late(visit: Visit) -> None:
    """Accepts a handshake on cue, and echoes."""
    await visit.origin.cue.wait()
    await speaks(echo)(visit)


async def test_what_is_said_before_the_101_arrives_behind_it(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = late
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        socket = Socket(ConnectionType.CLIENT, client.reader, client.writer)
        await client.send(opening(fields=sent(edge)) + socket.protocol.send(TextMessage("one")))
        await until(lambda: origin.visits)
        await socket.send(BytesMessage(b"2" * 60_000))
        origin.cue.set()
        assert (await client.head()).status == 101
        await socket.send(TextMessage("three"))
        for message in ("one", b"2" * 60_000, "three"):
            assert await socket.message() == message


async def test_what_is_said_over_http2_before_the_answer_arrives_behind_it(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = late
    edge.deploy(origin.upstream)
    framing = Connection(ConnectionType.CLIENT)
    async with edge.http2() as client:
        client.protocol.config.validate_outbound_headers = False
        fields = [(":protocol", "websocket"), ("sec-websocket-version", "13"), *sent(edge)]
        stream = await client.begin("/", "CONNECT", fields, end=False)
        await client.send(stream, framing.send(TextMessage("early")))
        await until(lambda: origin.visits)
        origin.cue.set()
        answer = await client.until(stream, 7)
        assert answer.status == 200
        framing.receive_data(bytes(answer.body))
        [event] = framing.events()
        assert isinstance(event, TextMessage)
        assert event.data == "early"


async def test_what_is_said_before_the_101_is_bounded(
    edge: EdgeInProcess, origin: Origin, lane: str
) -> None:
    origin.behaviour = hangs
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(opening(fields=sent(edge)))
        await until(lambda: origin.visits)
        client.writer.write(b"x" * 20_000_000)
        if lane == "asgi":
            answer = await client.answer()
            assert (answer.status, answer.json["code"]) == (400, "bad_request")
            assert answer.one("connection") == "close"
        else:
            await anyio.sleep(0.3)
            assert client.writer.transport.get_write_buffer_size() > 1_000_000
            client.reset()
    with anyio.fail_after(5):
        await origin.departures.acquire()


@pytest.mark.parametrize("refused_by", ["the gate", "the function"])
async def test_what_follows_a_handshake_is_never_a_request(
    edge: EdgeInProcess, origin: Origin, refused_by: str
) -> None:
    origin.behaviour = answering(OK)
    edge.deploy(origin.upstream)
    token = sent(edge)
    first = opening(fields=[] if refused_by == "the gate" else token)
    async with edge.http1() as client:
        await client.send(first + request("/smuggled", fields=token))
        answer = await client.answer()
        assert answer.status == (401 if refused_by == "the gate" else 200)
        assert answer.one("connection") == "close"
        assert await client.ending() == "closed"
    assert [seen.target for seen in origin.seen] == ([] if refused_by == "the gate" else [b"/"])


# Endings.


async def closing(socket: Socket) -> Event | None:
    """The frame with which the other end closes."""
    while (event := await socket.next()) is not None:
        if isinstance(event, CloseConnection):
            return event
    return None


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4321, "own")])
async def test_a_close_of_the_function_reaches_the_client(
    edge: EdgeInProcess, origin: Origin, code: int, reason: str
) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send(TextMessage("last"))
        await socket.send(CloseConnection(code, reason))
        assert isinstance(await closing(socket), CloseConnection)
        socket.writer.close()

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        assert await socket.message() == "last"
        event = await closing(socket)
        assert isinstance(event, CloseConnection)
        assert (event.code, event.reason or "") == (code, reason)
        await socket.send(event.response())
        assert await socket.next() is None


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, ""), (4321, "own")])
async def test_a_close_of_the_client_reaches_the_function(
    edge: EdgeInProcess, origin: Origin, code: int, reason: str
) -> None:
    closed: list[Event | None] = []

    async def talk(socket: Socket) -> None:
        event = await closing(socket)
        closed.append(event)
        await socket.send(event.response())  # type: ignore[union-attr]

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        await socket.send(CloseConnection(code, reason))
        assert isinstance(await closing(socket), CloseConnection)
    with anyio.fail_after(5):
        await origin.departures.acquire()
    assert isinstance(closed[0], CloseConnection)
    assert (closed[0].code, closed[0].reason or "") == (code, reason)


async def test_a_client_that_vanishes_ends_the_functions_socket(
    echoing: EdgeInProcess, origin: Origin
) -> None:
    async with echoing.http1() as client:
        assert (await handshake(client, fields=sent(echoing))).status == 101
        client.reset()
    with anyio.fail_after(5):
        await origin.departures.acquire()


@pytest.mark.parametrize("how", ["closes", "resets", "talks nonsense"])
async def test_a_function_that_vanishes_closes_the_client_and_not_as_if_all_were_well(
    edge: EdgeInProcess, origin: Origin, how: str
) -> None:
    async def talk(socket: Socket) -> None:
        if how == "closes":
            socket.writer.close()
        elif how == "resets":
            socket.writer.transport.abort()
        else:
            await socket.send_raw(b"\xff\xff\xff\xff")

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        event = await closing(socket)
        assert event is None or event.code not in (1000, 1001)  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", ["revoked", "deleted", "expired", "drained"])
async def test_an_open_websocket_ends_with_its_token_or_its_function(
    echoing: EdgeInProcess, origin: Origin, end: str
) -> None:
    edge = echoing
    if end == "expired":
        edge.mint("short", expires=edge.store.clock() + 0.5)
    async with connected(edge, sent(edge)) as socket, anyio.create_task_group() as tasks:
        await socket.send(TextMessage("hi"))
        assert await socket.message() == "hi"
        if end == "revoked":
            edge.revoke()
        elif end == "deleted":
            edge.delete()
        elif end == "drained":
            tasks.start_soon(edge.server.drain)
        event = await closing(socket)
        assert isinstance(event, CloseConnection)
        assert event.code == (1001 if end == "drained" else 1008)
        await socket.send(event.response())
        assert await socket.next() is None
        with anyio.fail_after(5):
            await origin.departures.acquire()


async def test_a_websocket_that_opens_amid_a_drain_is_closed_at_once(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def late(visit: Visit) -> None:
        [key] = (await visit.head()).values(b"sec-websocket-key")
        await visit.origin.cue.wait()
        await visit.send(SWITCHING + b"sec-websocket-accept: %b\r\n\r\n" % accept(key))
        await visit.gone()

    origin.behaviour = late
    edge.deploy(origin.upstream)
    async with edge.http1() as client, anyio.create_task_group() as tasks:
        await client.send(opening(fields=sent(edge)))
        await until(lambda: origin.seen)
        tasks.start_soon(edge.server.drain)
        await until(lambda: edge.edge.state.draining)
        origin.cue.set()
        assert (await client.head()).status == 101
        socket = Socket(ConnectionType.CLIENT, client.reader, client.writer)
        event = await socket.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1001
        assert await socket.next() is None


async def test_a_websocket_in_which_nothing_moves_is_ended(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream, streamIdle=200)
    async with connected(edge, sent(edge)) as socket:
        assert isinstance(await closing(socket), CloseConnection)
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_frames_that_are_none_end_the_socket_on_both_sides(
    echoing: EdgeInProcess, origin: Origin
) -> None:
    async with connected(echoing, sent(echoing)) as socket:
        await socket.send_raw(b"\xff\xff\xff\xff")
        event = await closing(socket)
        assert event is None or event.code == 1002  # type: ignore[attr-defined]
    with anyio.fail_after(5):
        await origin.departures.acquire()


async def test_websockets_to_mcp_and_open_routes_are_refused(echoing: EdgeInProcess) -> None:
    for target in ("/mcp", "/__health", "/openapi.json"):
        async with echoing.http1() as client:
            answer = await handshake(client, target, sent(echoing))
            assert answer.status in (404, 405)
            assert answer.one("date").endswith(" GMT")


async def test_a_websocket_over_http2_meets_the_same_gate(
    echoing: EdgeInProcess, origin: Origin
) -> None:
    extra = [(":protocol", "websocket")]
    async with echoing.http2() as client:
        client.protocol.config.validate_outbound_headers = False
        version = [("sec-websocket-version", "13")]
        stream = await client.begin("/", "CONNECT", [*extra, *version], end=False)
        answer = await client.answer(stream)
        assert answer.status == 401
        stream = await client.begin("/", "CONNECT", [*extra, *version, *sent(echoing)], end=False)
        answer = await client.until(stream)
        assert answer.status == 200
        framing = Connection(ConnectionType.CLIENT)
        await client.send(stream, framing.send(TextMessage("hi")))
        await client.until(stream, 4)
        framing.receive_data(bytes(answer.body))
        [event] = framing.events()
        assert isinstance(event, TextMessage)
        assert event.data == "hi"
        large = b"y" * 1_000_000
        await client.send(stream, framing.send(BytesMessage(large)))
        await client.until(stream, 4 + len(large))
        echoing.revoke()
        await client.answer(stream)
    with anyio.fail_after(5):
        await origin.departures.acquire()


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_function_that_does_not_read_makes_the_client_wait(
    edge: EdgeInProcess, origin: Origin, version: str
) -> None:
    async def reads_nothing(socket: Socket) -> None:
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await anyio.sleep_forever()

    origin.behaviour = speaks(reads_nothing)
    edge.deploy(origin.upstream)
    frame = Connection(ConnectionType.CLIENT).send(BytesMessage(b"x" * 60_000))
    sent_bytes = 0

    async def flood(send: Callable[[bytes], Awaitable[None]]) -> None:
        nonlocal sent_bytes
        while True:
            await send(frame)
            sent_bytes += len(frame)

    async with contextlib.AsyncExitStack() as stack:
        send: Callable[[bytes], Awaitable[None]]
        if version == "1.1":
            send = (await stack.enter_async_context(connected(edge, sent(edge)))).send_raw
        else:
            client = await stack.enter_async_context(edge.http2())
            client.protocol.config.validate_outbound_headers = False
            fields = [(":protocol", "websocket"), ("sec-websocket-version", "13"), *sent(edge)]
            stream = await client.begin("/", "CONNECT", fields, end=False)
            assert (await client.until(stream)).status == 200
            send = partial(client.send, stream)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(flood, send)
            last = -1
            with anyio.fail_after(20):
                while sent_bytes != last:
                    last = sent_bytes
                    await anyio.sleep(0.4)
                    assert sent_bytes < 40_000_000
            tasks.cancel_scope.cancel()
