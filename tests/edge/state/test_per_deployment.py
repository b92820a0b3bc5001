"""What is made from a deployment once: shared, remade when it must be, and never without bound."""

from dataclasses import replace

import anyio
import anyio.to_thread
import pytest

from edge.functions import Deployment
from edge.state import per_deployment
from edge.state.per_deployment import PerDeployment
from edge.state.view import StoreUnavailable
from tests.support.asking import function

BOUND = 5
KIB = 1024


def live(slug: str, id_: str = "dep_1", size: int | None = 1 * KIB) -> Deployment:
    """A deployment with a document of this size."""
    return replace(function(slug).live, id=id_, document_bytes=size)


class Workshop:
    """Makes of each deployment its id and its document, and counts."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.broken = False
        self.made = PerDeployment(self._document, self._make)

    def _document(self, deployment: Deployment) -> bytes | None:
        self.read.append(deployment.slug)
        if self.broken:
            raise StoreUnavailable
        return deployment.slug.encode()

    @staticmethod
    def _make(deployment: Deployment, document: bytes | None) -> tuple[str, bytes | None]:
        return deployment.id, document


async def test_a_document_is_read_once_for_all_who_ask() -> None:
    shop = Workshop()
    found: list[tuple[str, bytes | None]] = []

    async def ask() -> None:
        found.append(await shop.made.of(live("a")))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as askers:
            for _ in range(10):
                askers.start_soon(ask)
        await ask()
    assert found == [("dep_1", b"a")] * 11
    assert shop.read == ["a"]


async def test_another_deployment_is_made_anew_and_a_forgotten_one_too() -> None:
    shop = Workshop()
    assert await shop.made.of(live("a")) == ("dep_1", b"a")
    assert await shop.made.of(live("a", "dep_2", None)) == ("dep_2", None)
    shop.made.forget("a")
    shop.made.forget("never made")
    assert await shop.made.of(live("a", "dep_2", None)) == ("dep_2", None)
    assert shop.read == ["a"]
    shop.made.forget("a")
    assert await shop.made.of(live("a", "dep_3")) == ("dep_3", b"a")
    assert shop.read == ["a", "a"]


async def test_what_could_not_be_read_is_read_the_next_time() -> None:
    shop = Workshop()
    shop.broken = True
    with pytest.raises(StoreUnavailable):
        await shop.made.of(live("a"))
    shop.broken = False
    assert await shop.made.of(live("a")) == ("dep_1", b"a")


async def test_what_was_not_asked_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_deployment, "MAX_WEIGHT", 100 * KIB)
    shop = Workshop()
    for slug in ("a", "b"):
        await shop.made.of(live(slug, size=40 * KIB))
    await shop.made.of(live("a", size=40 * KIB))
    await shop.made.of(live("c", size=40 * KIB))
    assert shop.read == ["a", "b", "c"]
    await shop.made.of(live("a", size=40 * KIB))
    assert shop.read == ["a", "b", "c"]
    await shop.made.of(live("b", size=40 * KIB))
    assert shop.read == ["a", "b", "c", "b"]


async def test_what_is_kept_does_not_grow_with_the_number_of_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(per_deployment, "MAX_WEIGHT", 10 * per_deployment.LEAST_WEIGHT)
    shop = Workshop()
    slugs = [f"f{number}" for number in range(50)]
    for slug in slugs:
        await shop.made.of(live(slug, size=1))
    shop.read.clear()
    for slug in reversed(slugs):
        await shop.made.of(live(slug, size=1))
    assert shop.read == slugs[39::-1]


async def test_one_that_weighs_more_than_all_may_is_kept_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(per_deployment, "MAX_WEIGHT", 100 * KIB)
    shop = Workshop()
    await shop.made.of(live("small"))
    for _ in range(3):
        await shop.made.of(live("huge", size=1000 * KIB))
    assert shop.read == ["small", "huge"]
    await shop.made.of(live("small"))
    await shop.made.of(live("small"))
    assert shop.read == ["small", "huge", "small"]
