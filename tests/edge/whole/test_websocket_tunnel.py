"""WebSockets on the fast lane: bytes as they come, both ways, bounded, and ended as promised."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.extensions import PerMessageDeflate

from edge.fast.client import Client
from tests.support.calling import TOKEN, until
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.http1_client import Http1Client, request
from tests.support.origin import (
    OK,
    Behaviour,
    Origin,
    Visit,
    answering,
    closing_after,
    self_signed,
    serving,
)
from tests.support.websockets import (
    Socket,
    accept,
    connected,
    echo,
    handshake,
    opening,
    speaks,
)

MEGABYTE = 1 << 20
FLOOD = 24 * MEGABYTE
"""More than all buffers between two ends hold together."""

LITTLE = 8192

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"


def sent(edge: EdgeInProcess) -> list[tuple[str, str]]:
    """The token as fields."""
    return [(TOKEN, edge.token)]


@asynccontextmanager
async def edge_before(
    origin: Origin, directory: Path, **settings: Any
) -> AsyncIterator[EdgeInProcess]:
    """An edge with settings of its own, before an origin."""
    async with running(directory, **settings) as edge:
        edge.deploy(origin.upstream)
        yield edge


def passed_over(edge: EdgeInProcess) -> int:
    """How many connections went to the other lane."""
    assert edge.edge.fast is not None
    return edge.edge.fast.handed_over


# The handshake.


@pytest.mark.parametrize(
    "fields",
    [
        [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")],
        [("connection", "upgrade,keep-alive"), ("upgrade", "WebSocket")],
        [("Connection", "keep-alive"), ("connection", "UPGRADE"), ("Upgrade", "WEBSOCKET")],
        [("connection", ", upgrade ,"), ("upgrade", "websocket")],
    ],
)
async def test_every_legal_spelling_of_the_handshake_opens_a_tunnel(
    edge: EdgeInProcess, origin: Origin, fields: list[tuple[str, str]]
) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream)
    key = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")]
    async with edge.http1() as client:
        await client.send(request(fields=[*fields, *key, *sent(edge)]))
        answer = await client.head()
        assert answer.status == 101
        assert answer.one("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.one("connection").lower() == "upgrade"
        assert answer.one("upgrade").lower() == "websocket"
        assert answer.one("date")
        assert not answer.all("content-length")
        assert not answer.all("transfer-encoding")
        socket = Socket(ConnectionType.CLIENT, client.reader, client.writer)
        await socket.send(TextMessage("hi"))
        assert await socket.message() == "hi"
    assert passed_over(edge) == 0
    assert origin.seen[0].values(b"sec-websocket-key") == [b"dGhlIHNhbXBsZSBub25jZQ=="]
    assert origin.seen[0].values(b"connection") == [b"upgrade"]


@pytest.mark.parametrize(
    "fields",
    [
        [("sec-websocket-version", "13")],
        [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")],
        [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "8")],
    ],
)
async def test_a_handshake_that_is_none_is_the_other_lanes_to_refuse(
    edge: EdgeInProcess, origin: Origin, fields: list[tuple[str, str]]
) -> None:
    edge.deploy(origin.upstream)
    upgrade = [("connection", "upgrade"), ("upgrade", "websocket")]
    async with edge.http1() as client:
        answer = await client.ask(fields=[*upgrade, *fields, *sent(edge)])
    assert answer.status == 400
    assert passed_over(edge) == 1
    assert not origin.visits


async def test_compression_is_between_the_two_ends(edge: EdgeInProcess, origin: Origin) -> None:
    on_the_wire = 0

    async def deflating(visit: Visit) -> None:
        nonlocal on_the_wire
        seen = await visit.head()
        [key] = seen.values(b"sec-websocket-key")
        [offered] = seen.values(b"sec-websocket-extensions")
        ours = PerMessageDeflate()
        agreed = ours.accept(offered.decode())
        proof = b"sec-websocket-accept: %b\r\n" % accept(key)
        chosen = f"sec-websocket-extensions: permessage-deflate; {agreed}\r\n\r\n".encode()
        await visit.send(SWITCHING + proof + chosen)
        socket = Socket(ConnectionType.SERVER, visit.reader, visit.writer, extensions=[ours])
        await echo(socket)
        on_the_wire = socket.received

    origin.behaviour = deflating
    edge.deploy(origin.upstream)
    theirs = PerMessageDeflate()
    offer = [("sec-websocket-extensions", f"permessage-deflate; {theirs.offer()}"), *sent(edge)]
    async with edge.http1() as client:
        answer = await handshake(client, fields=offer)
        assert answer.status == 101
        theirs.finalize(answer.one("sec-websocket-extensions").partition(";")[2])
        socket = Socket(ConnectionType.CLIENT, client.reader, client.writer, extensions=[theirs])
        for text in ("x" * MEGABYTE, "", "hello" * 1000):
            await socket.send(TextMessage(text))
            assert await socket.message() == text
        await socket.send(CloseConnection(1000))
        assert isinstance(await socket.next(), CloseConnection)
        assert await socket.next() is None
    assert 0 < on_the_wire < MEGABYTE // 10


@pytest.mark.parametrize(
    "extra",
    [
        b"sec-websocket-extensions: permessage-deflate\r\n",
        b"sec-websocket-protocol: v9\r\n",
        b"sec-websocket-accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
    ],
)
async def test_a_101_that_chooses_what_was_not_offered_is_502_and_never_a_tunnel(
    edge: EdgeInProcess, origin: Origin, extra: bytes
) -> None:
    heard: list[bytes] = []

    async def behave(visit: Visit) -> None:
        [key] = (await visit.head()).values(b"sec-websocket-key")
        await visit.send(SWITCHING + b"sec-websocket-accept: %b\r\n" % accept(key) + extra)
        await visit.send(b"\r\nfor the client")
        heard.append(await visit.gone())

    origin.behaviour = behave
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(opening(fields=sent(edge)) + b"for the function")
        answer = await client.answer()
        assert (answer.status, answer.json["code"]) == (502, "upstream_invalid")
        assert await client.ending() == "closed"
    await until(lambda: heard)
    assert heard == [b""]


async def test_no_token_passes_the_tunnel(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream, acceptTokensIn=["x-jelou-token", "authorization"])
    said = [
        *sent(edge),
        ("authorization", f"Bearer {edge.token}"),
        ("sec-websocket-protocol", f"v1, {edge.token}"),
        ("x-other", f"a {edge.token}"),
    ]
    async with connected(edge, said) as socket:
        await socket.send(TextMessage("hi"))
        assert await socket.message() == "hi"
        assert edge.token not in str(socket.answer)
    assert edge.token.encode() not in origin.seen[0].raw
    assert b"jfn_rt_" not in origin.seen[0].raw


# What comes before the 101, and instead of it.


async def test_what_the_client_says_before_the_101_is_held_and_bounded(
    edge: EdgeInProcess, origin: Origin
) -> None:
    digest = hashlib.sha256()
    taken = 0

    async def late(visit: Visit) -> None:
        nonlocal taken
        [key] = (await visit.head()).values(b"sec-websocket-key")
        await visit.origin.cue.wait()
        await visit.send(SWITCHING + b"sec-websocket-accept: %b\r\n\r\n" % accept(key))
        while data := await visit.reader.read(65536):
            digest.update(data)
            taken += len(data)

    origin.behaviour = late
    edge.deploy(origin.upstream)
    payload = bytes(range(256)) * (FLOOD // 256)
    async with edge.http1() as client, anyio.create_task_group() as tasks:
        await client.send(opening(fields=sent(edge)))
        sender = Sender(client)
        tasks.start_soon(sender.send, payload)
        await sender.stalled()
        assert taken == 0
        origin.cue.set()
        assert (await client.head()).status == 101
        await until(lambda: taken == len(payload))
    assert digest.digest() == hashlib.sha256(payload).digest()


class Sender:
    """Sends much, and can be seen to wait."""

    def __init__(self, client: Http1Client | Socket) -> None:
        self.writer = client.writer
        self.sent = 0

    async def send(self, payload: bytes) -> None:
        """Send it all, in pieces."""
        for at in range(0, len(payload), 65536):
            self.writer.write(payload[at : at + 65536])
            await self.writer.drain()
            self.sent += 65536

    async def stalled(self) -> None:
        """Wait until nothing more is taken, which must be before the end."""
        last = -1
        with anyio.fail_after(10):
            while self.sent != last:
                last = self.sent
                await anyio.sleep(0.3)
        assert self.sent < FLOOD - MEGABYTE


async def test_what_follows_a_handshake_does_not_destroy_its_refusal(
    origin: Origin, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    files = {"certfile": certificate.file, "keyfile": certificate.file}
    async with edge_before(origin, tmp_path, **files) as edge:
        trusting = ssl.create_default_context(cafile=str(certificate.file))
        for _ in range(5):
            client = await Http1Client.connect("127.0.0.1", edge.port, trusting)
            client.writer.write(opening() + b"x" * MEGABYTE)
            answer = await client.answer()
            assert (answer.status, answer.whole) == (401, True)
            client.writer.transport.abort()


async def test_a_kept_connection_that_was_closed_is_not_the_handshakes_fault(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = answering(OK)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        assert (await client.ask(fields=sent(edge))).status == 200
        origin.latest.reset_now()
        origin.behaviour = speaks(echo)
        assert (await handshake(client, fields=sent(edge))).status == 101


async def test_a_handshake_may_follow_a_request_on_the_same_connection(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def answers_then_switches(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK)
        await speaks(echo)(visit)

    origin.behaviour = answers_then_switches
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(request(fields=sent(edge)) + opening(fields=sent(edge)))
        assert (await client.answer()).status == 200
        assert (await client.head()).status == 101
    assert (origin.visits, passed_over(edge)) == (1, 0)


# Bytes both ways.


async def test_a_client_that_does_not_read_makes_the_function_wait_and_loses_nothing(
    edge: EdgeInProcess, origin: Origin
) -> None:
    payload = bytes(range(256)) * (FLOOD // 256)
    senders: list[Sender] = []

    async def talk(socket: Socket) -> None:
        senders.append(Sender(socket))
        await senders[0].send(payload)

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        assert (await handshake(client, fields=sent(edge))).status == 101
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: senders)
        await senders[0].stalled()
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        with anyio.fail_after(20):
            assert await client.reader.readexactly(len(payload)) == payload


async def test_a_function_that_does_not_read_makes_the_client_wait_and_loses_nothing(
    edge: EdgeInProcess, origin: Origin
) -> None:
    digest = hashlib.sha256()
    taken = 0

    async def talk(socket: Socket) -> None:
        nonlocal taken
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await origin.cue.wait()
        socket.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while data := await socket.reader.read(65536):
            digest.update(data)
            taken += len(data)

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    payload = bytes(range(256)) * (FLOOD // 256)
    async with connected(edge, sent(edge)) as socket, anyio.create_task_group() as tasks:
        sender = Sender(socket)
        tasks.start_soon(sender.send, payload)
        await sender.stalled()
        origin.cue.set()
        await until(lambda: taken == len(payload))
    assert digest.digest() == hashlib.sha256(payload).digest()


async def test_fragments_arrive_as_they_were_sent(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        parts = [bytes([number % 256]) * (number % 7) for number in range(2000)]
        data = b"".join(
            socket.protocol.send(BytesMessage(part, message_finished=number == len(parts)))
            for number, part in enumerate(parts, 1)
        )
        for at in range(0, len(data), 777):
            await socket.send_raw(data[at : at + 777])
        back = []
        while len(back) < len(parts):
            event = await socket.next()
            assert isinstance(event, BytesMessage)
            back.append(bytes(event.data))
            assert event.message_finished == (len(back) == len(parts))
        assert back == parts


async def test_a_tunnel_goes_to_a_socket_and_over_tls(edge: EdgeInProcess, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    async with (
        serving(speaks(echo), path=tmp_path / "function.sock") as local,
        serving(speaks(echo), certificate=certificate) as secure,
    ):
        trusting = {"tls": {"caFile": str(certificate.file)}}
        for origin, how in ((local, None), (secure, trusting)):
            edge.deploy(origin.upstream, how=how)
            async with connected(edge, sent(edge)) as socket:
                await socket.send(BytesMessage(b"z" * MEGABYTE))
                assert await socket.message() == b"z" * MEGABYTE
                socket.writer.transport.abort()
            with anyio.fail_after(5):
                await origin.departures.acquire()


async def test_a_client_may_come_over_tls(origin: Origin, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    origin.behaviour = speaks(echo)
    files = {"certfile": certificate.file, "keyfile": certificate.file}
    async with edge_before(origin, tmp_path, **files) as edge:
        trusting = ssl.create_default_context(cafile=str(certificate.file))
        client = await Http1Client.connect("127.0.0.1", edge.port, trusting)
        assert (await handshake(client, fields=sent(edge))).status == 101
        socket = Socket(ConnectionType.CLIENT, client.reader, client.writer)
        await socket.send(BytesMessage(b"z" * MEGABYTE))
        assert await socket.message() == b"z" * MEGABYTE
        edge.revoke()
        event = await socket.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1008
        assert await socket.next() is None
        await client.aclose()
        assert passed_over(edge) == 0


# Endings.


async def test_what_a_client_said_last_reaches_the_function(
    edge: EdgeInProcess, origin: Origin
) -> None:
    heard: list[bytes] = []

    async def talk(socket: Socket) -> None:
        await origin.cue.wait()
        heard.append(await socket.reader.read())

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        await socket.send_raw(b"last" * 50_000)
    origin.cue.set()
    await until(lambda: heard)
    assert heard == [b"last" * 50_000]


async def test_a_client_that_has_said_all_still_hears_the_function(
    edge: EdgeInProcess, origin: Origin
) -> None:
    async def talk(socket: Socket) -> None:
        assert await socket.reader.read() == b"question"
        await socket.send_raw(b"answer")
        socket.writer.close()

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        socket.writer.write(b"question")
        socket.writer.write_eof()
        async with asyncio.timeout(5):
            assert (await socket.reader.read()).startswith(b"answer")


FRAME = b"\x82\x0aten bytes!"


@pytest.mark.parametrize(
    ("said", "closes"),
    [
        pytest.param(FRAME, True, id="behind a frame"),
        pytest.param(b"\x02\x04part", True, id="between fragments"),
        pytest.param(FRAME[:1], False, id="amid a header"),
        pytest.param(FRAME[:7], False, id="amid a payload"),
        pytest.param(FRAME + FRAME[:2], False, id="behind a header"),
        pytest.param(b"\x88\x02\x03\xe8", False, id="behind the function's close"),
    ],
)
async def test_an_end_by_the_edge_is_told_where_a_frame_may_stand_and_nowhere_else(
    edge: EdgeInProcess, origin: Origin, said: bytes, closes: bool
) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send_raw(said)

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with connected(edge, sent(edge)) as socket:
        async with asyncio.timeout(5):
            assert await socket.reader.readexactly(len(said)) == said
            edge.revoke()
            assert await socket.reader.read() == (b"\x88\x02\x03\xf0" if closes else b"")
        with anyio.fail_after(5):
            await origin.departures.acquire()


async def test_a_client_that_takes_nothing_does_not_outlive_its_token(
    edge: EdgeInProcess, origin: Origin
) -> None:
    senders: list[Sender] = []

    async def talk(socket: Socket) -> None:
        senders.append(Sender(socket))
        await senders[0].send(b"\0" * FLOOD)

    origin.behaviour = speaks(talk)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        assert (await handshake(client, fields=sent(edge))).status == 101
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: senders)
        await senders[0].stalled()
        edge.revoke()
        await until(lambda: not edge.server.connections)


def headed(answer: bytes) -> Behaviour:
    """A function that answers so, and then sends little by little until something waits there."""

    async def behave(visit: Visit) -> None:
        seen = await visit.head()
        proof = accept(*(seen.values(b"sec-websocket-key") or [b""]))
        await visit.send(answer.replace(b"PROOF", proof))
        while not visit.origin.cue.is_set():
            await visit.send(b"\x82\x7e" + LITTLE.to_bytes(2, "big") + bytes(LITTLE))
            await anyio.sleep(0.0005)
        await visit.gone()

    return behave


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (opening, SWITCHING + b"sec-websocket-accept: PROOF\r\n\r\n"),
        (request, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"),
    ],
    ids=["tunnel", "event stream"],
)
async def test_the_little_that_a_client_does_not_take_does_not_outlive_its_token(
    edge: EdgeInProcess, origin: Origin, asked: Callable[..., bytes], answer: bytes
) -> None:
    """So little that the function need not wait, and does not tell by that."""
    origin.behaviour = headed(answer)
    edge.deploy(origin.upstream)
    async with edge.http1() as client:
        await client.send(asked(fields=sent(edge)))
        await client.head()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        [connection] = edge.server.connections
        assert isinstance(connection, Client)
        await until(lambda: connection.unsent > 4 * LITTLE)  # uvloop writes behind its callbacks
        origin.cue.set()
        edge.revoke()
        await until(lambda: not edge.server.connections)


async def test_a_client_that_takes_nothing_is_cut_in_time(origin: Origin, tmp_path: Path) -> None:
    async def talk(socket: Socket) -> None:
        await Sender(socket).send(b"\0" * FLOOD)

    origin.behaviour = speaks(talk)
    async with edge_before(origin, tmp_path, slow_reader=0.3) as edge, edge.http1() as client:
        assert (await handshake(client, fields=sent(edge))).status == 101
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not edge.server.connections)


async def test_a_tunnel_that_moves_is_not_idle(edge: EdgeInProcess, origin: Origin) -> None:
    origin.behaviour = speaks(echo)
    edge.deploy(origin.upstream, streamIdle=400)
    async with connected(edge, sent(edge)) as socket:
        for _ in range(6):
            await anyio.sleep(0.1)
            await socket.send(TextMessage("still here"))
            assert await socket.message() == "still here"
        event = await socket.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1011


async def test_a_tunnel_holds_its_functions_place_until_it_ends(
    origin: Origin, tmp_path: Path
) -> None:
    origin.behaviour = speaks(echo)
    settings = {"in_flight": 1, "queue": 1, "queue_timeout": 0.1}
    async with edge_before(origin, tmp_path, **settings) as edge:
        async with connected(edge, sent(edge)), edge.http1() as client:
            answer = await handshake(client, fields=sent(edge))
            assert (answer.status, answer.json["code"]) == (503, "overloaded")
        async with asyncio.timeout(5):
            while True:
                async with edge.http1() as client:
                    if (await handshake(client, fields=sent(edge))).status == 101:
                        return


async def test_the_edge_remembers_nothing_of_tunnels_that_ended(
    edge: EdgeInProcess, origin: Origin
) -> None:
    origin.behaviour = closing_after(OK)
    edge.deploy(origin.upstream)
    for end in ("client", "function", "token"):
        origin.behaviour = speaks(echo)
        token = edge.mint(end).secret
        async with connected(edge, [(TOKEN, token)]) as socket:
            await socket.send(TextMessage("hi"))
            assert await socket.message() == "hi"
            if end == "function":
                origin.latest.reset()
            elif end == "token":
                edge.revoke(end)
            if end != "client":
                await socket.next()
        await until(lambda: not edge.server.connections)
        await until(lambda: len(edge.edge.app.websockets.streams) == 0)
