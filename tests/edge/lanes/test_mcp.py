"""Messages to `/mcp` through both lanes: each does what the contract says, and both do the same."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_bridge.endpoint import McpRequest
from tests.edge.lanes.cases_mcp import CASES, HOST, SSE, TOKEN
from tests.edge.lanes.cases_requests import ask, chunked
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.mcp_bridge.differential import requests
from tests.support.lanes_case import Act, Case

FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=1_000, derandomize=False)
EVERY_BYTE = bytes(byte if 32 <= byte != 127 else 63 for byte in range(256))
"""Controls, which end a connection before anybody looks for a message, become question marks."""

ANSWERS = st.sampled_from(
    [
        (b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}',),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{", b'"a":'),
        (b"HTTP/1.1 500 X\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno",),
        (b"HTTP/1.1 204 X\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",),
        (b"nonsense\r\n\r\n",),
        (SSE,),
        (SSE[:-5],),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunked(b"o", b"k")),
    ]
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name[:60])
async def test_a_message_gets_what_the_contract_says(lanes: Lanes, case: Case) -> None:
    await judge(lanes, case)
    await judge(lanes, case, "odd")


async def alike(lanes: Lanes, request: McpRequest, answer: tuple[bytes, ...]) -> None:
    """Both lanes give the same, and let their functions see the same."""
    fields = [
        (name.decode("latin-1"), value.translate(EVERY_BYTE).decode("latin-1"))
        for name, value in request.headers
    ]
    body = request.body
    for ours, theirs in ((b'"say"', b'"getOrder"'), (b'"kind"', b'"id"')):
        body = body.replace(ours, theirs)
    fields = [(name, value.replace("say", "getOrder")) for name, value in fields]
    every = (*fields, ("Connection", "close"))
    sent = ask("/mcp", "POST", every, body, tokens=TOKEN, host=HOST)
    case = Case(name="made up", sent=sent, answers=(), after="closed", acts=(Act(answer, "close"),))
    worlds = lanes["plain"]
    asgi, fast = await asyncio.gather(*(worlds[lane].observe(case) for lane in ("asgi", "fast")))
    assert asgi == fast
    assert len(asgi.answers) == 1


@FEW
@given(request=requests(), answer=ANSWERS)
async def test_messages_that_are_made_up_get_the_same_on_both_lanes(
    lanes: Lanes, request: McpRequest, answer: tuple[bytes, ...]
) -> None:
    await alike(lanes, request, answer)


@pytest.mark.slow
@pytest.mark.timeout(600)
@MANY
@given(request=requests(), answer=ANSWERS)
async def test_many_messages_that_are_made_up_get_the_same_on_both_lanes(
    lanes: Lanes, request: McpRequest, answer: tuple[bytes, ...]
) -> None:
    await alike(lanes, request, answer)
