"""Whatever is sent to `/mcp`, the answer is JSON-RPC, and nothing of the inside shows in it."""

import json
from random import Random
from typing import Any

import anyio
import pytest

from tests.mcp_bridge.serving import ENVELOPE, STATELESS, serving

METHODS = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "notifications/initialized",
    "notifications/cancelled",
    "",
]
KEYS = [
    "name",
    "arguments",
    "cursor",
    "_meta",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestId",
    *ENVELOPE,
]
ATOMS = [None, True, 0, -1.5, 10**18, "", "x", "\0", "é", "2025-11-25", "getOrder"]


def anything(random: Random, depth: int = 0) -> Any:
    kind = random.random()
    if kind < 0.6 or depth > 3:
        return random.choice(ATOMS)
    if kind < 0.7:
        return [anything(random, depth + 1) for _ in range(random.randint(0, 3))]
    return {random.choice(KEYS): anything(random, depth + 1) for _ in range(random.randint(0, 4))}


def message(random: Random) -> dict[str, Any]:
    params = anything(random)
    if isinstance(params, dict) and random.random() < 0.5:
        params |= {"_meta": dict(ENVELOPE), "name": "getOrder"}
    made = {"jsonrpc": "2.0", "id": 1, "method": random.choice(METHODS), "params": params}
    if random.random() < 0.3:
        made[random.choice(list(made))] = anything(random)
    if random.random() < 0.1:
        del made[random.choice(list(made))]
    return made


@pytest.mark.parametrize("seed", range(4))
async def test_every_message_gets_an_honest_answer(seed: int) -> None:
    random = Random(seed)
    async with serving() as edge:
        session = await edge.session()
        for _ in range(100):
            sent = message(random)
            method = json.dumps(sent.get("method", ""))[1:-1]
            stateless = {"mcp-protocol-version": STATELESS, "mcp-method": method}
            chosen = [{}, {"mcp-session-id": session}, {**stateless, "mcp-name": "getOrder"}]
            with anyio.fail_after(5):
                answer = await edge.post(sent, random.choice(chosen))
            assert answer.status_code in {200, 202, 400, 404}, sent
            if answer.status_code != 202:
                told = answer.json()
                assert told.get("error", {}).get("code") != -32603, sent
                assert ("result" in told) != ("error" in told), sent
            assert "pydantic" not in answer.text
            assert "Traceback" not in answer.text
