"""A function that plays the part a case gives it and writes down what it sees, to the byte."""

import asyncio
from collections import deque
from collections.abc import Sequence

from tests.support.lanes_case import Act, How
from tests.support.origin import Visit

DEFAULT = Act()


class Request:
    """A request as it came; filled in as its body comes."""

    def __init__(self, raw: bytes) -> None:
        line, *lines = raw[:-4].decode("latin-1").split("\r\n")
        self.method, self.target, self.version = line.split(" ")
        pairs = [entry.partition(":") for entry in lines]
        self.fields = [(name.lower(), value.strip(" \t")) for name, _, value in pairs]
        self.body = b""
        self.whole = False

    def values(self, name: str) -> list[str]:
        """Every value of one field."""
        return [value for key, value in self.fields if key == name]

    @property
    def how(self) -> How:
        """How its body is framed."""
        if self.values("transfer-encoding"):
            return "chunked"
        return "length" if self.values("content-length") else "none"


class Recorder:
    """The behaviour of an origin.

    Attributes:
        requests: in the order in which their heads came.
        relayed: set once the client has the head of an answer.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.relayed = asyncio.Event()
        self._acts: deque[Act] = deque()

    def play(self, acts: Sequence[Act]) -> None:
        """Forget what was seen; do this with the requests that come."""
        self.requests.clear()
        self.relayed.clear()
        self._acts = deque(acts)

    async def behave(self, visit: Visit) -> None:
        """See `origin.Behaviour`."""
        while True:
            request = Request(await visit.reader.readuntil(b"\r\n\r\n"))
            act = self._acts.popleft() if self._acts else DEFAULT
            self.requests.append(request)
            if not act.early:
                await _read(visit, request)
            await self._send(visit, act)
            if not await _end(visit, act):
                return
            if act.early:
                await _read(visit, request)

    async def _send(self, visit: Visit, act: Act) -> None:
        for number, piece in enumerate(act.send, 1):
            if act.patient and number == len(act.send):
                await self.relayed.wait()
            await visit.send(piece)
            await asyncio.sleep(0)


async def _end(visit: Visit, act: Act) -> bool:
    """What the act does at its end; whether the connection goes on."""
    if act.then == "silence":
        await visit.gone()
    elif act.then == "reset":
        visit.reset()
    elif act.then == "close":
        visit.close()
    return act.then == "keep"


async def _read(visit: Visit, request: Request) -> None:
    if request.how == "chunked":
        while size := int(await visit.reader.readuntil(b"\r\n"), 16):
            request.body += (await visit.reader.readexactly(size + 2))[:-2]
        assert await visit.reader.readexactly(2) == b"\r\n"
    elif request.how == "length":
        [length] = request.values("content-length")
        left = int(length)
        while left:
            data = await visit.reader.readexactly(min(left, 32768))
            request.body += data
            left -= len(data)
    request.whole = True
