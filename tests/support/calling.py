"""Requests to an edge in one line, over any version of HTTP, with the token unless told not to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.edge_in_process import EdgeInProcess
from tests.support.http1_client import PATIENCE, Answer, Fields

TOKEN = "x-jelou-token"


@dataclass
class Caller:
    """Sends each request on a connection of its own, and reads the answer to its end."""

    edge: EdgeInProcess
    version: str

    async def ask(
        self,
        target: str = "/",
        method: str = "GET",
        fields: Fields = (),
        body: bytes | None = None,
        *,
        token: str | None = "",
        host: str = "shop.fn.localhost",
    ) -> Answer:
        """Ask; `token` None sends none."""
        chosen = self.edge.tokens.get("shop") if token == "" else token
        sent = [*fields, *([(TOKEN, chosen)] if chosen is not None else [])]
        if self.version == "2":
            async with self.edge.http2() as http2:
                return await http2.ask(target, method, sent, body, host=host)
        async with self.edge.http1() as http1:
            return await http1.ask(target, method, sent, body, host=host, version=self.version)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds that nobody announces."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - conditions are of several kinds
            await asyncio.sleep(0.005)
