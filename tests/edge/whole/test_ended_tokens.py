"""Tokens that are over and still used: noted at the gate on every way in, and nobody else is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.audit.refused import AGAIN, MOST, RefusedTokens, RefusedUse
from tests.support.edge_in_process import EdgeInProcess, running
from tests.support.origin import Origin

TOKEN = "x-jelou-token"


@pytest.fixture(params=[True, False], ids=["fast", "asgi"])
async def edge(
    request: pytest.FixtureRequest, tmp_path: Path, origin: Origin
) -> AsyncIterator[EdgeInProcess]:
    settings = {
        "fast_lane": request.param,
        "accept_tokens_in": ("x-jelou-token", "authorization", "x-api-key"),
        "trusted_proxies": ("127.0.0.1",),
    }
    async with running(tmp_path, **settings) as started:
        started.deploy(origin.upstream)
        yield started


def told(edge: EdgeInProcess) -> set[str]:
    """Ids of the tokens of which this worker has told."""
    return set(edge.edge.app.refused._told)


async def test_a_client_that_goes_on_and_on_is_told_of_again(edge: EdgeInProcess) -> None:
    ended = edge.revoke()
    async with edge.http1() as http1:
        for _ in range(3):
            for _ in range(3):
                answer = await http1.ask(fields=[(TOKEN, edge.token)])
                assert answer.status == 401
            assert told(edge) == {ended.id}
            edge.edge.app.refused._told.clear()  # as an hour does


@pytest.mark.parametrize("target", ["/shop/x", "/shop/mcp", "/mcp"])
@pytest.mark.parametrize(
    ("name", "before"), [("x-jelou-token", ""), ("authorization", "Bearer "), ("x-api-key", "")]
)
async def test_wherever_the_token_is_sent(
    edge: EdgeInProcess, target: str, name: str, before: str
) -> None:
    ended = edge.revoke()
    async with edge.http1() as http1:
        fields = [(name, f"{before}{edge.token}"), ("x-forwarded-for", "192.0.2.7")]
        assert (await http1.ask(target, fields=fields)).status == 401
    (use,) = edge.edge.app.refused.take()
    assert use == RefusedUse(ended.id, "default", "shop", "revoked", "192.0.2.7")


async def test_nobody_else_is_told_of(edge: EdgeInProcess, origin: Origin) -> None:
    good = edge.token
    edge.deploy(origin.upstream, "other")
    sent = [good, "nonsense", "jfn_rt_" + "0" * 32 + "2Freyo", edge.tokens["other"]]
    async with edge.http1() as http1:
        for token in sent:
            await http1.ask("/shop/x", fields=[(TOKEN, token)])
    assert told(edge) == set()


def test_what_is_remembered_is_bounded_and_told_again_after_an_hour() -> None:
    refused = RefusedTokens()
    assert refused.is_due("tok_1", 0.0)
    assert not refused.is_due("tok_1", AGAIN - 1)
    assert refused.is_due("tok_1", AGAIN)
    for number in range(2 * MOST):
        assert refused.is_due(f"tok_x{number}", AGAIN)
        refused.note(RefusedUse(f"tok_x{number}", "n", "shop", "revoked", "192.0.2.1"))
    assert len(refused.take()) == MOST
    assert refused.take() == []
    assert refused.is_due("tok_1", AGAIN + 1)
