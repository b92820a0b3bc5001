"""The list of many functions: read once, remade in part, and never held up by one of them."""

from dataclasses import dataclass, field, replace

import orjson
import pytest

from edge.functions import Deployment, Function, McpSettings
from edge.state.catalogs import Catalogs
from edge.state.merged_catalogs import MAX_CALLABLE, RETRY_AFTER, MergedCatalogs
from edge.state.view import StoreUnavailable
from mcp_bridge.catalog import Catalog
from tests.support.asking import function
from tests.support.mcp_function import document

BROKEN = "broken"


@dataclass
class World:
    """Functions with a document each, and what was read of them."""

    live: dict[str, Function] = field(default_factory=dict)
    generation: int = 0
    time: float = 0.0
    read: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    logged: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.catalogs = Catalogs(self._document)
        self.merged = MergedCatalogs(
            self, self.catalogs, lambda: self.time, lambda error, _: self.logged.append(error)
        )

    def by_slug(self, slug: str) -> Function | None:
        return self.live.get(slug)

    def functions(self) -> list[Function]:
        return list(self.live.values())

    def deploy(self, slug: str, id_: str = "dep_1", **config: object) -> None:
        made = function(slug, **config)
        self.live[slug] = replace(made, live=replace(made.live, id=id_, document_bytes=1))
        self.generation += 1

    def _document(self, deployment: Deployment) -> bytes | None:
        self.read.append(deployment.slug)
        if deployment.slug in self.broken:
            raise StoreUnavailable
        return orjson.dumps(document("echo"))


def world(*slugs: str) -> World:
    made = World()
    for slug in slugs:
        made.deploy(slug)
    return made


def names(catalog: Catalog | None) -> list[str]:
    assert catalog is not None
    return list(catalog.entries)


async def test_a_list_is_read_once_and_is_the_same_value_while_nothing_changes() -> None:
    those = world("b", "a")
    assert those.merged.list_of(None) is None
    found = await those.merged.read(None)
    assert names(found) == ["a__echo", "b__echo"]
    those.generation += 1  # a token was made
    assert those.merged.list_of(None) is found
    assert those.read == ["b", "a"]


async def test_after_a_deploy_that_function_alone_is_read() -> None:
    those = world("a", "b")
    before = await those.merged.read(None)
    those.deploy("b", "dep_2")
    assert those.merged.list_of(None) is None
    assert names(await those.merged.read(None)) == names(before)
    assert those.read == ["a", "b", "b"]


async def test_a_deleted_function_is_gone_at_once() -> None:
    those = world("a", "b")
    await those.merged.read(None)
    del those.live["a"]
    those.generation += 1
    assert names(those.merged.list_of(None)) == ["b__echo"]
    assert those.merged.list_of("a") == Catalog()


async def test_the_list_of_one_function_needs_no_other() -> None:
    those = world("a", "b")
    assert names(await those.merged.read("b")) == ["b__echo"]
    assert names(those.merged.list_of("b")) == ["b__echo"]
    assert those.read == ["b"]


@pytest.mark.parametrize("mcp", [McpSettings(enabled=False), McpSettings(upstream="/mcp")])
async def test_functions_that_are_left_out_are_not_read(mcp: McpSettings) -> None:
    those = world("a")
    those.deploy("b", mcp=mcp)
    assert names(await those.merged.read(None)) == ["a__echo"]
    assert those.merged.named("b__echo") == []
    assert those.read == ["a"]


async def test_a_function_that_cannot_be_read_is_left_out_and_asked_for_again_in_time() -> None:
    those = world("a", BROKEN)
    those.broken.add(BROKEN)
    for _ in range(3):
        assert names(await those.merged.read(None)) == ["a__echo"]
    assert those.merged.list_of(None) is not None
    assert those.read.count(BROKEN) == 1
    those.time += RETRY_AFTER
    assert those.merged.list_of(None) is None
    await those.merged.read(None)
    those.broken.clear()
    those.time += RETRY_AFTER
    assert names(await those.merged.read(None)) == ["a__echo", f"{BROKEN}__echo"]
    assert those.logged == []


async def test_a_call_reads_its_own_function_and_finds_it_known_then() -> None:
    those = world("a", "b")
    (found,) = those.merged.named("b__echo")
    assert those.merged.callable_at_once(found) is None
    tools = await those.merged.callable(found)
    assert names(tools) == ["b__echo"]
    assert those.merged.callable_at_once(found) is tools
    assert those.read == ["b"]


async def test_what_calls_need_is_kept_of_the_latest_functions_alone() -> None:
    those = world(*(f"f{number}" for number in range(MAX_CALLABLE + 1)))
    made = [await those.merged.callable(each) for each in those.functions()]
    again = [those.merged.callable_at_once(each) for each in those.functions()[1:]]
    assert all(one is other for one, other in zip(made[1:], again, strict=True))
    assert those.merged.callable_at_once(those.live["f0"]) is not made[0]


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("a__echo", ["a"]),
        ("a__b__c", ["a"]),
        ("a___x", ["a"]),
        ("b__echo", []),
        ("a_echo", []),
        ("a", []),
        ("", []),
        ("a__echo ", []),
        ("a__" + "x" * 62, []),
        ("s" * 55 + "_" + "0" * 8, ["s" * 60, "s" * 63]),
    ],
)
def test_a_name_says_whose_it_may_be(name: str, slugs: list[str]) -> None:
    those = world("a", "s" * 60, "s" * 63, "s" * 54 + "-t")
    assert [each.slug for each in those.merged.named(name)] == slugs
