"""Callers of what lasts: MCP sessions and calls, streams of events and of changes, WebSockets."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from time import monotonic

from wsproto.connection import ConnectionType
from wsproto.events import TextMessage
from wsproto.utilities import LocalProtocolError

from tests.load.load import BROKEN, Asked, Load
from tests.support.http1_client import Answer, request
from tests.support.mcp_wire import Exchange, McpClient, Over1, Over2, Reading, text_of
from tests.support.websockets import Socket, opening

VERSIONS = ("1.1", "2")
LISTEN = {"toolsListChanged": True}
BEAT = 0.05
"""Seconds between two messages over a WebSocket."""


async def calls_tools(load: Load) -> None:
    """A client with one token, in a session or in none, over either version of HTTP."""
    async with AsyncExitStack() as stack:
        first = load.ask("initialize", monotonic(), right="mcp")
        client = client_of(load, first, stack)
        session = ""
        if load.dice.random() < 0.5:
            session = await opened(load, first, client)
            if not session:
                return
        alive = monotonic()
        for _ in range(load.dice.randrange(1, 10)):
            kind = load.dice.choice(("tools/call", "tools/call", "tools/list"))
            asked = load.ask(kind, alive, right="mcp", token=first.token)
            answer = await whole(begun(client, asked, session))
            note(load, asked, answer)
            if load.over or answer is None:
                return
            alive = monotonic()
            await load.rest()


def client_of(load: Load, asked: Asked, stack: AsyncExitStack) -> McpClient:
    """A client with the token of a request."""
    version = load.dice.choice(VERSIONS)
    return McpClient(load.door, version, stack, asked.token.secret)  # type: ignore[arg-type]


async def opened(load: Load, asked: Asked, client: McpClient) -> str:
    """The id of a new session, or nothing if there was none to be had."""
    answer = await whole(client.initialize())
    if answer is None or answer.status != 200:
        note(load, asked, answer)
        return ""
    load.note(asked, 200, asked.nonce)
    return answer.one("mcp-session-id")


def begun(client: McpClient, asked: Asked, session: str) -> Awaitable[Reading]:
    """Ask what was to be asked, in either era."""
    params = None
    if asked.kind == "tools/call":
        params = {"name": "echo", "arguments": asked.body}
    if session:
        return client.ask(asked.kind, params, id=asked.nonce, session=session)
    return client.stateless(asked.kind, params, id=asked.nonce)


async def whole(reading: Awaitable[Reading]) -> Answer | None:
    """A whole answer; None if the connection broke before."""
    with suppress(*BROKEN, KeyError):  # KeyError: there is not even a head
        answer = await (await reading).end()
        return answer if answer.whole else None
    return None


def note(load: Load, asked: Asked, answer: Answer | None) -> None:
    """Write down the answer to a call or a list."""
    if answer is None:
        load.note(asked, None)
    elif answer.status != 200:
        load.note(asked, answer.status)
    else:
        load.note(asked, 200, *understood(asked, answer))


def understood(asked: Asked, answer: Answer) -> tuple[str, frozenset[str]]:
    """What it is about, and what was live when it was given."""
    message = answer.json
    if message["id"] != asked.nonce or "result" not in message:
        return str(message), frozenset()
    if asked.kind == "tools/list":
        names = sorted(tool["name"] for tool in message["result"]["tools"])
        return asked.nonce, frozenset([" ".join(names)])
    if message["result"].get("isError"):
        return text_of(message), frozenset()
    return asked.understood(message["result"]["structuredContent"])


async def holds_changes(load: Load) -> None:
    """A stream of changes, of either era."""
    async with AsyncExitStack() as stack:
        alive = monotonic()
        first = load.ask("initialize", alive, right="mcp")
        client = client_of(load, first, stack)
        session = ""
        if load.dice.random() < 0.5:
            session = await opened(load, first, client)
            if not session:
                return
        asked = load.ask("watch", alive, right="mcp", token=first.token)
        try:
            reading = await (client.watch(session) if session else client.listen(LISTEN))
        except BROKEN:
            load.note(asked, None)
            return
        await hold(load, asked, reading.exchange)


async def holds_events(load: Load) -> None:
    """A stream of the function's events."""
    alive = monotonic()
    asked = load.ask("events", alive)
    target, event = asked.target("/events"), f"data: {asked.nonce}\n\n".encode()
    if load.dice.choice(VERSIONS) == "1.1":
        async with load.door.http1() as client:
            with suppress(*BROKEN):
                await client.send(request(target, fields=asked.fields, host=asked.host))
            await hold(load, asked, Over1(client, "GET"), event)
    else:
        async with load.door.http2() as client:
            stream = await client.begin(target, fields=asked.fields, host=asked.host)
            await hold(load, asked, Over2(client, stream), event)


async def hold(load: Load, asked: Asked, exchange: Exchange, event: bytes = b"") -> None:
    """Read a stream until it ends or its client has enough; `event` is all that may be in it."""
    try:
        answer = await exchange.head()
    except (*BROKEN, KeyError):
        load.note(asked, None)
        return
    load.note(asked, answer.status, asked.nonce if answer.status == 200 else "")
    if answer.status != 200:
        return
    goes_on, until = True, load.until()
    with suppress(TimeoutError):
        async with asyncio.timeout(until - monotonic()):
            while goes_on and not load.over:
                goes_on = await exchange.more()
    wrong = "an end that looks whole" if event and answer.whole else ""
    if event and answer.body != (event * len(answer.body))[: len(answer.body)]:
        wrong = bytes(answer.body).decode()
    load.note_stream(asked, "left" if goes_on else "broken", wrong)


async def holds_a_socket(load: Load) -> None:
    """Messages over a WebSocket, each of which comes back."""
    alive = monotonic()
    async with load.door.http1() as client:
        asked = load.ask("websocket", alive, granted=101)
        try:
            await client.send(opening(asked.target("/socket"), asked.fields, host=asked.host))
            answer = await client.head()
            if answer.status != 101:
                await client.body(answer)
        except BROKEN:
            load.note(asked, None)
            return
        load.note(asked, answer.status, asked.nonce if answer.status == 101 else "")
        if answer.status == 101:
            await talk(load, asked, Socket(ConnectionType.CLIENT, client.reader, client.writer))
    await load.rest()


async def talk(load: Load, asked: Asked, socket: Socket) -> None:
    """Send and receive until either side has enough."""
    until = load.until()
    while not load.over and monotonic() < until:
        event = None
        with suppress(*BROKEN, LocalProtocolError):  # the edge has just said that it is over
            await socket.send(TextMessage(asked.nonce))
            event = await socket.next()
        if not isinstance(event, TextMessage):
            load.note_stream(asked, "broken")
            return
        if event.data != asked.nonce:
            load.note_stream(asked, "broken", event.data)
            return
        await asyncio.sleep(BEAT)
    load.note_stream(asked, "left")
