"""What a connection remembers of its last request is never seen by who asks, or by a function."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from edge.fast.connection import FastConnection
from edge.fast.rote import Rote
from edge.state.kept import edge_id
from tests.support.again import Pair, asked, warm
from tests.support.asking import MADE_UP
from tests.support.calling import until
from tests.support.expected import is_exact_401
from tests.support.origin import serving

TRACE = "00-384d9319530682b55651605272ed354f-2d9869f9551f9627-01"
OTHER_TRACE = "00-384d9319530682b55651605272ed354f-2d9869f9551f9628-00"
NEVER_A_TRACE = "ff-384d9319530682b55651605272ed354f-2d9869f9551f9627-01"
LIMIT = 100


async def test_requests_are_known_again_at_all(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    await warm(both, asked(both.edge.token))

    def known() -> Rote | None:
        connections = both.edge.server.connections
        kept = [each for each in connections if isinstance(each, FastConnection) and each.rote]
        return kept[0].rote if kept else None

    learnt = known()
    assert learnt is not None
    await both.ask(asked(both.edge.token, body=b"another"))
    assert known() is learnt
    await both.ask(asked(both.edge.token, line="POST /b HTTP/1.1"))
    assert known() is not learnt


Change = Callable[[Pair], Any]


def redeployed(**more: Any) -> Change:
    """The function as it was, but for these settings."""

    def change(both: Pair) -> None:
        both.edge.deploy(both.origin.upstream, **more)

    return change


CHANGES: dict[str, tuple[Change, int]] = {
    "revoked": (lambda both: both.edge.revoke(), 401),
    "rotated": (lambda both: both.edge.token_service.rotate("shop", "default"), 401),
    "deleted": (lambda both: both.edge.delete(), 404),
    "made public": (redeployed(public=True), 200),
    "another method": (redeployed(methods=["GET"]), 405),
    "another path": (redeployed(path="/b"), 404),
    "a lower limit": (redeployed(limits={"body": 3}), 413),
    "fields of its own": (redeployed(how={"headers": {"X-Own": "new", "Accept": "none"}}), 200),
    "the caller's host": (redeployed(how={"preserveHost": True}), 200),
    "no CORS": (redeployed(cors=False), 200),
    "CORS of one origin": (redeployed(cors={"origin": ["https://a.example"]}), 200),
    "tokens elsewhere": (redeployed(acceptTokensIn=["x-jelou-token", "authorization"]), 200),
    "nothing": (lambda both: both.edge.mint("another"), 200),
}


@pytest.mark.parametrize(("change", "status"), CHANGES.values(), ids=CHANGES.keys())
async def test_what_changes_between_two_equal_requests_bites_on_the_very_next(
    both: Pair, change: Change, status: int
) -> None:
    both.edge.deploy(both.origin.upstream)
    sent = asked(both.edge.token, "Accept: */*", "Origin: https://a.example")
    await warm(both, sent)
    change(both)
    already = len(both.origin.seen)
    outcome = await both.ask(sent)
    assert outcome.status == status
    assert (len(both.origin.seen) > already) is (status == 200)
    for _ in range(3):
        assert await both.ask(sent) == outcome


async def test_the_exact_401_comes_on_the_very_next_request(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    for number in range(5):
        minted = both.edge.mint(f"n{number}")
        sent = asked(minted.secret)
        await warm(both, sent)
        both.edge.revoke(f"n{number}")
        await both.kept.send(sent)
        is_exact_401(await both.kept.answer())
        await both.ask(sent)


async def test_a_token_that_expires_between_two_equal_requests_is_refused(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    minted = both.edge.mint("short", expires=both.edge.store.clock() + 0.5)
    sent = asked(minted.secret)
    while both.edge.store.clock() < (minted.token.expires or 0):
        await both.kept.send(sent)
        assert (await both.kept.answer()).status in (200, 401)
        await anyio.lowlevel.checkpoint()
    assert (await both.ask(sent)).status == 401


@pytest.mark.parametrize(
    ("line", "more", "scopes", "status"),
    [
        ("BREW /a HTTP/1.1", [], [], 405),
        ("POST /a HTTP/1.1", [], ["route:GET /a"], 403),
        ("POST /elsewhere HTTP/1.1", [], [], 404),
        ("POST /a HTTP/1.1", ["Via: 1.1 jelou-edge-{id}"], [], 508),
    ],
)
async def test_a_token_that_expires_is_refused_for_that_whatever_it_was_refused_for_before(
    both: Pair, line: str, more: list[str], scopes: list[str], status: int
) -> None:
    both.edge.deploy(both.origin.upstream, path="/a")
    own = edge_id(both.edge.config.data_dir, lambda _: b"")
    lines = [entry.format(id=own) for entry in more]
    expires = both.edge.store.clock() + 0.5
    minted = both.edge.mint("short", expires=expires, scopes=scopes)
    sent = asked(minted.secret, *lines, line=line)
    await warm(both, sent, status)
    await until(lambda: both.edge.store.clock() >= expires)
    assert (await both.ask(sent)).status == 401


async def test_a_function_that_moves_is_found_at_its_new_address(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    sent = asked(both.edge.token)
    await warm(both, sent)

    async def elsewhere(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew")

    async with serving(elsewhere) as other:
        both.edge.deploy(other.upstream)
        outcome = await both.ask(sent)
    assert outcome.body == b"new"
    assert outcome.seen == []


async def test_what_was_refused_is_let_in_once_it_may(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    await warm(both, asked(None), 401)
    both.edge.deploy(both.origin.upstream, public=True)
    assert (await both.ask(asked(None))).status == 200
    await warm(both, asked(None, host="later.fn.localhost"), 404)
    both.edge.deploy(both.origin.upstream, "later", public=True)
    assert (await both.ask(asked(None, host="later.fn.localhost"))).status == 200


async def test_a_new_token_is_good_where_another_was_refused(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    await warm(both, asked(MADE_UP), 401)
    await warm(both, asked(both.edge.token), 200)
    both.edge.revoke()
    await warm(both, asked(both.edge.token), 401)
    await warm(both, asked(both.edge.mint("next").secret), 200)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_body_over_the_limit_does_not_condemn_the_next(both: Pair, chunked: bool) -> None:
    both.edge.deploy(both.origin.upstream, limits={"body": LIMIT})

    def of(size: int) -> bytes:
        if chunked:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
            return asked(both.edge.token, "Transfer-Encoding: chunked", body=body)
        return asked(both.edge.token, body=b"x" * size)

    for size in (
        1,
        1,
        1,
        LIMIT + 1,
        LIMIT + 1,
        LIMIT + 1,
        5,
        LIMIT,
        LIMIT + 1,
        LIMIT,
        70_000,
        5,
        5,
    ):
        assert (await both.ask(of(size))).status == (200 if size <= LIMIT else 413)


IDS: dict[str, list[list[str]]] = {
    "the caller's": [["X-Request-Id: one"], ["X-Request-Id: two"], ["X-Request-Id: a b"]],
    "without a space": [["X-Request-Id:one"]],
    "with two": [["X-Request-Id:  one"]],
    "one behind": [["X-Request-Id: one "]],
    "twice": [["X-Request-Id: one", "X-Request-Id:two"], ["X-Request-Id: one"]],
    "a token": [["X-Request-Id: one"], [f"X-Request-Id: {MADE_UP}"]],
    "traces": [
        [f"traceparent: {TRACE}", "tracestate: a=1"],
        [f"traceparent: {NEVER_A_TRACE}", "tracestate: a=1"],
        [f"traceparent: {OTHER_TRACE}", "tracestate: a=1"],
        [f"traceparent: {TRACE.upper()}", "tracestate: a=1"],
    ],
    "no trace first": [
        [f"traceparent: {NEVER_A_TRACE}", "tracestate: a=1"],
        [f"traceparent: {TRACE}", "tracestate: a=1"],
    ],
    "trace without a space": [[f"traceparent:{TRACE}", "tracestate: a=1"]],
    "none, then one": [[], ["X-Request-Id: one"], [f"traceparent: {TRACE}"]],
}


@pytest.mark.parametrize("turns", IDS.values(), ids=IDS.keys())
async def test_each_request_has_its_own_ids(both: Pair, turns: Sequence[list[str]]) -> None:
    both.edge.deploy(both.origin.upstream)
    for turn in (*turns, *reversed(turns)):
        await warm(both, asked(both.edge.token, *turn))
    for turn in (*turns, *turns, *reversed(turns)):
        await both.ask(asked(both.edge.token, *turn))


KINDS: list[Callable[[str, str], bytes]] = [
    lambda good, _: asked(good),
    lambda good, _: asked(good, body=b""),
    lambda good, _: asked(good, body=b"x" * LIMIT),
    lambda good, _: asked(good, body=b"x" * (LIMIT + 1)),
    lambda good, _: asked(good, body=b"x" * 70_000),
    lambda good, _: asked(good, "X-Request-Id: a"),
    lambda good, _: asked(good, "X-Request-Id: b", body=b"longer than the others"),
    lambda good, _: asked(good, "X-Request-Id:b"),
    lambda good, _: asked(good, f"traceparent: {TRACE}"),
    lambda good, _: asked(good, body=None),
    lambda good, _: asked(good, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
    lambda good, _: asked(good, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    lambda good, _: asked(good, "Connection: close"),
    lambda good, _: asked(good, f"X-Copy: {good}", f"Cookie: a={good}", "Cookie: b=1"),
    lambda good, _: asked(good, line="POST /dated HTTP/1.1"),
    lambda good, _: asked(good, line="POST /named HTTP/1.1"),
    lambda good, _: asked(good, line="POST /chunked HTTP/1.1"),
    lambda good, _: asked(good, line="HEAD /a HTTP/1.1", body=None),
    lambda good, _: asked(good, line="GET /a HTTP/1.1", body=None),
    lambda good, _: asked(good, line="BREW /a HTTP/1.1", body=None),
    lambda good, _: asked(good, line="POST /shop/a HTTP/1.1", host="localhost"),
    lambda good, _: asked(good, host="open.fn.localhost"),
    lambda _, bad: asked(bad, host="open.fn.localhost"),
    lambda *_: asked(None, host="open.fn.localhost"),
    lambda good, _: asked(good, host="nowhere.fn.localhost"),
    lambda _, bad: asked(bad),
    lambda *_: asked(MADE_UP),
    lambda *_: asked(None),
    lambda good, bad: asked(good, f"X-Jelou-Token: {bad}"),
]


@pytest.mark.parametrize("seed", range(6))
async def test_requests_in_any_order_are_each_answered_as_on_a_fresh_connection(
    both: Pair, seed: int
) -> None:
    chosen = random.Random(seed)
    edge = both.edge
    edge.deploy(both.origin.upstream, limits={"body": LIMIT})
    edge.deploy(both.origin.upstream, "open", public=True, limits={"body": LIMIT})
    good, bad = edge.tokens["shop"], edge.tokens["open"]
    few = chosen.sample(KINDS, 4)
    for number in range(40):
        sent = chosen.choice(few)(good, bad)
        for _ in range(chosen.choice([1, 1, 2, 4])):
            await both.ask(sent)
        if number % 10 == 9:
            edge.revoke()
            good = edge.mint().secret


@pytest.mark.parametrize("seed", range(3))
async def test_equal_requests_sent_ahead_are_each_answered(both: Pair, seed: int) -> None:
    chosen = random.Random(seed)
    both.edge.deploy(both.origin.upstream)
    sizes = [chosen.choice([0, 1, 5, 300]) for _ in range(20)]
    sent = b"".join(asked(both.edge.token, body=b"x" * size) for size in sizes)
    cuts = sorted(chosen.sample(range(len(sent)), 10))
    for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        await both.kept.send(sent[begin:end])
        await anyio.lowlevel.checkpoint()
    answers = [await both.kept.answer() for _ in sizes]
    assert [len(answer.body) for answer in answers] == sizes
    assert [len(seen.body) for seen in both.origin.seen] == sizes


async def test_who_is_revoked_while_its_requests_wait_their_turn_is_refused(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    sent = asked(both.edge.token, line="POST /wait HTTP/1.1")
    both.origin.cue.set()
    await warm(both, sent)
    both.origin.cue.clear()
    already = len(both.origin.seen)
    await both.kept.send(sent * 4)
    await until(lambda: len(both.origin.seen) > already)
    both.edge.revoke()
    both.origin.cue.set()
    assert [(await both.kept.answer()).status for _ in range(4)] == [200, 401, 401, 401]
    assert len(both.origin.seen) == already + 1


async def test_a_connection_that_is_handed_over_forgets_nothing_that_matters(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    sent = asked(both.edge.token)
    await warm(both, sent)
    await both.kept.send(asked(both.edge.token, "TE: trailers"))
    assert (await both.kept.answer()).status == 200
    await warm(both, sent)
    both.edge.revoke()
    assert (await both.ask(sent)).status == 401


async def test_a_request_known_again_amid_a_shutdown_is_told_so(both: Pair) -> None:
    both.edge.deploy(both.origin.upstream)
    sent = asked(both.edge.token, body=b"")
    await warm(both, sent)
    async with both.edge.http1() as other, anyio.create_task_group() as tasks:
        await other.send(asked(both.edge.token, body=b"", line="POST /wait HTTP/1.1"))
        await both.kept.send(sent[:20])
        await until(lambda: both.origin.seen[-1].target == b"/wait")
        tasks.start_soon(both.edge.server.drain)
        await until(lambda: both.edge.edge.state.draining)
        already = len(both.origin.seen)
        await both.kept.send(sent[20:])
        answer = await both.kept.answer()
        assert (answer.status, answer.json["code"]) == (503, "draining")
        assert len(both.origin.seen) == already
        both.origin.cue.set()
        assert (await other.answer()).status == 200
