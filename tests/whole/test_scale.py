"""A real edge on a store of thousands of functions and tens of thousands of tokens."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.store_build import TINY, TINY_TOKENS, Growing, secret_of, slug
from tests.support.edge import jelou
from tests.support.whole_edge import UNAUTHORIZED, Edge, serving
from tests.support.whole_function import Function
from tokens import secret

FUNCTIONS = 2_000
TOKENS = 50_000
SOME = (0, 1, 999, 1_000, 1_999, 2_000, 31_337, 49_999)
"""Numbers of tokens, each of a function of its own and from all over the store."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def edge(tmp_path: Path, origin: Function) -> Iterator[Edge]:
    """Two workers on the large store."""
    growing = Growing(tmp_path / "data", origin.url)
    growing.grow(FUNCTIONS, TOKENS)
    growing.close()
    with serving(tmp_path / "data", "--auth-failures", "off", workers=2) as running:
        yield running


def of(number: int) -> tuple[str, str]:
    """The target and the token of a caller."""
    return f"/{slug(number % FUNCTIONS)}/items", secret_of(f"token-{number}")


def test_an_edge_serves_checks_and_revokes_however_much_there_is(edge: Edge) -> None:
    with edge.caller_of_each_worker() as callers:
        for caller in callers.values():
            for number in SOME:
                target, token = of(number)
                assert caller.ask(target, token).status == 200
                refused = caller.ask(target, of(number + 1)[1])
                assert (refused.status, refused.body) == (401, UNAUTHORIZED)
            assert caller.ask("/nowhere/items", of(0)[1]).status == 404
            by_host = {"Host": "api-10.shop.example"}
            assert caller.ask("/items", of(10)[1], headers=by_host).status == 200
            assert caller.ask("/items", of(11)[1], headers=by_host).status == 401
            document = caller.ask(f"/{slug(1_234)}/openapi.json").json
            assert document["info"]["title"] == slug(1_234)

        for number in SOME:
            target, token = of(number)
            edge.operations.revoke_token(slug(number % FUNCTIONS), f"token-{number}")
            for caller in callers.values():
                assert caller.ask(target, token).status == 401
        for number in (n + 2 for n in SOME if n + 2 < TOKENS and n + 2 not in SOME):
            target, token = of(number)
            assert all(caller.ask(target, token).status == 200 for caller in callers.values())


def test_made_up_tokens_by_the_thousand_leave_good_ones_good(edge: Edge) -> None:
    with edge.caller_of_each_worker() as callers:
        for caller in callers.values():
            target, token = of(7)
            assert caller.ask(target, token).status == 200
            for _ in range(2_000):
                assert caller.ask(target, secret.mint(os.urandom)).status == 401
            assert caller.ask(target, token).status == 200


def test_commands_do_what_they_do_however_much_there_is(edge: Edge, origin: Function) -> None:
    made = jelou(edge.data_dir, "tokens", "create", slug(1_500), "--name", "ci")
    caller = edge.caller()
    assert caller.ask(f"/{slug(1_500)}/items", made["token"]).status == 200
    listed = jelou(edge.data_dir, "tokens", "list", slug(1_500))
    assert [token["name"] for token in listed][-1] == "ci"
    assert len(listed) == TOKENS // FUNCTIONS + 1
    assert len(jelou(edge.data_dir, "tokens", "list", TINY)) == TINY_TOKENS
    assert len(jelou(edge.data_dir, "tokens", "list")) == TOKENS + TINY_TOKENS + 1
    assert len(jelou(edge.data_dir, "functions", "list")) == FUNCTIONS + 1
    jelou(edge.data_dir, "tokens", "revoke", slug(1_500), "ci", "-y")
    assert caller.ask(f"/{slug(1_500)}/items", made["token"]).status == 401
    edge.deploy("fresh", origin.url, public=True)
    assert caller.ask("/fresh/items").status == 200
    jelou(edge.data_dir, "functions", "delete", slug(3), "-y")
    target, token = of(3)
    assert caller.ask(target, token).status == 404
