"""What every registry promises, run against each of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from edge.functions import EVERY_PATH, Deployment, Project, Route
from edge.project_file.parse import parse_project
from edge.registry.memory import MemoryRegistry
from edge.registry.sqlite import SqliteRegistry
from edge.registry.store import (
    DOCUMENTS_KEPT,
    HostTaken,
    Registry,
    RegistryError,
    UnknownDeployment,
    UnknownFunction,
)
from tokens.database import Database
from tokens.paths import PathTemplate

DOCUMENT = b'{"openapi":"3.1.0","paths":{}}'


class Randomness:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self) -> None:
        self._calls = count()

    def __call__(self, size: int) -> bytes:
        return sha256(str(next(self._calls)).encode()).digest()[:size]


@dataclass
class Subject:
    """A registry and the change keys it has told of."""

    registry: Registry
    told: list[tuple[str, str]] = field(default_factory=list)
    database: Database | None = None
    seen: int = 0

    def changes(self) -> list[tuple[str, str]]:
        """The changes since the last call."""
        if self.database is None:
            told, self.told[:] = list(self.told), []
            return told
        found = self.database.changes_since(self.seen)
        self.seen = found.generation
        assert found.keys is not None
        return list(found.keys)


@pytest.fixture(params=["memory", "sqlite"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Each kind of registry, empty."""
    if request.param == "memory":
        told: list[tuple[str, str]] = []
        registry = MemoryRegistry(Randomness(), lambda kind, key: told.append((kind, key)))
        yield Subject(registry, told)
        return
    database = Database.open(tmp_path, create=True)
    yield Subject(
        SqliteRegistry(database, Randomness()), database=database, seen=database.generation()
    )
    database.close()


@pytest.fixture
def registry(subject: Subject) -> Registry:
    """Each kind of registry, empty, alone."""
    return subject.registry


def project(slug: str = "shop", port: int = 9000, hosts: str = "[]") -> Project:
    """A project that differs by its arguments."""
    text = f'{{"function":"{slug}","upstream":"http://127.0.0.1:{port}","hosts":{hosts}}}'
    parsed = parse_project(text)
    assert parsed.project is not None, parsed.problems
    return parsed.project


def deploy(
    registry: Registry, what: Project, document: bytes | None = None, now: float = 1.0
) -> Deployment:
    """Deploy and give what is live."""
    return registry.deploy(what, document, (), "deploy", now).deployment


def test_a_deployed_function_is_found_as_it_was_deployed(registry: Registry) -> None:
    routes = (
        Route("a", "GET", PathTemplate("/a/{id}"), methods=("GET", "POST"), public=True),
        Route("b", "POST", PathTemplate("/b"), public=False, timeout=5000),
        Route("c", "PUT", EVERY_PATH),
    )
    done = registry.deploy(project(), DOCUMENT, routes, "deploy", 12.5)
    function = registry.function("shop")
    assert function is not None
    assert function.live == done.deployment
    assert function.live.project == project()
    assert function.live.project.text == project().text
    assert (function.live.document_bytes, function.live.routes) == (len(DOCUMENT), routes)
    assert registry.document(function.live.id) == DOCUMENT
    assert (function.created, function.since, function.live.created) == (12.5, 12.5, 12.5)
    assert registry.functions() == [function]


def test_ids_look_like_the_platforms_and_are_new_each_time(registry: Registry) -> None:
    ids = {deploy(registry, project(port=9000 + number)).id for number in range(20)}
    assert len(ids) == 20
    for id_ in ids:
        prefix, _, rest = id_.partition("_")
        assert prefix == "dep"
        assert len(rest) == 8
        assert rest.isascii()
        assert rest.isalnum()
        assert rest == rest.lower()


def test_an_id_that_comes_up_twice_is_drawn_again(tmp_path: Path) -> None:
    draws = iter([b"a" * 16, b"a" * 16, b"b" * 16] * 2)
    database = Database.open(tmp_path, create=True)
    for registry in (
        MemoryRegistry(lambda _: next(draws), lambda *_: None),
        SqliteRegistry(database, lambda _: next(draws)),
    ):
        one, other = deploy(registry, project("one")), deploy(registry, project("other"))
        assert one.id != other.id
    database.close()


def test_only_the_first_deploy_of_a_function_is_first(registry: Registry) -> None:
    assert registry.deploy(project(), None, (), "deploy", 1).first
    assert not registry.deploy(project(port=9001), None, (), "deploy", 2).first
    assert not registry.deploy(project(port=9001), None, (), "deploy", 3).first


def test_an_equal_deploy_changes_nothing_and_tells_nobody(subject: Subject) -> None:
    registry = subject.registry
    live = deploy(registry, project(), DOCUMENT)
    subject.changes()
    again = registry.deploy(project(), DOCUMENT, (), "document", 9.0)
    assert (again.changed, again.deployment) == (False, live)
    assert registry.deployments("shop") == [live]
    assert subject.changes() == []


@pytest.mark.parametrize(
    ("what", "document"),
    [(project(port=9001), DOCUMENT), (project(), b"{}"), (project(), None), (project(), b"")],
)
def test_another_file_or_document_is_another_deployment(
    registry: Registry, what: Project, document: bytes | None
) -> None:
    first = deploy(registry, project(), DOCUMENT)
    done = registry.deploy(what, document, (), "deploy", 2.0)
    assert done.changed
    assert done.deployment.id != first.id
    function = registry.function("shop")
    assert function is not None
    assert (function.live, function.created, function.since) == (done.deployment, 1.0, 2.0)


def test_equal_means_equal_to_the_live_one_not_to_an_older_one(registry: Registry) -> None:
    old = deploy(registry, project(port=1))
    deploy(registry, project(port=2))
    again = registry.deploy(project(port=1), None, (), "deploy", 3)
    assert again.changed
    assert again.deployment.id != old.id


def test_deployments_are_listed_newest_first(registry: Registry) -> None:
    made = [deploy(registry, project(port=port), now=5.0) for port in (1, 2, 3)]
    deploy(registry, project("other"))
    assert registry.deployments("shop") == made[::-1]
    assert registry.deployments("none") == []
    assert registry.deployment("shop", made[1].id) == made[1]
    assert registry.deployment("shop", "dep_00000000") is None
    assert registry.deployment("other", made[1].id) is None


def test_functions_are_listed_by_slug(registry: Registry) -> None:
    for slug in ("zoo", "air", "mid"):
        deploy(registry, project(slug))
    assert [function.slug for function in registry.functions()] == ["air", "mid", "zoo"]


def test_every_change_of_what_is_live_is_told(subject: Subject) -> None:
    registry = subject.registry
    first = deploy(registry, project(port=1))
    assert subject.changes() == [("function", "shop")]
    second = deploy(registry, project(port=2))
    assert subject.changes() == [("function", "shop")]
    registry.rollback("shop", first.id, 3)
    assert subject.changes() == [("function", "shop")]
    registry.rollback("shop", first.id, 4)
    assert subject.changes() == []
    registry.rollback("shop", second.id, 5)
    registry.delete("shop")
    registry.delete("shop")
    assert set(subject.changes()) == {("function", "shop")}
    assert subject.changes() == []


def test_rollback_goes_back_one_step_at_a_time(registry: Registry) -> None:
    made = [deploy(registry, project(port=port)) for port in (1, 2, 3)]
    assert registry.rollback("shop", None, 4) == made[1]
    assert registry.rollback("shop", None, 5) == made[0]
    with pytest.raises(UnknownDeployment):
        registry.rollback("shop", None, 6)
    function = registry.function("shop")
    assert function is not None
    assert (function.live, function.since, function.created) == (made[0], 5, 1)
    assert registry.deployments("shop") == made[::-1]


def test_rollback_skips_what_was_rolled_back_before(registry: Registry) -> None:
    good, bad = (deploy(registry, project(port=port)) for port in (1, 2))
    registry.rollback("shop", None, 3)
    deploy(registry, project(port=3))
    assert registry.rollback("shop", None, 4) == good
    assert bad in registry.deployments("shop")


def test_rollback_to_a_named_one_goes_forward_too(registry: Registry) -> None:
    made = [deploy(registry, project(port=port)) for port in (1, 2, 3)]
    registry.rollback("shop", made[0].id, 4)
    assert registry.rollback("shop", made[2].id, 5) == made[2]
    function = registry.function("shop")
    assert function is not None
    assert function.live == made[2]


def test_rollback_to_what_is_not_there_says_so(registry: Registry) -> None:
    with pytest.raises(UnknownFunction):
        registry.rollback("shop", None, 1)
    deploy(registry, project())
    other = deploy(registry, project("other"))
    for id_ in ("dep_00000000", other.id, None):
        with pytest.raises(UnknownDeployment):
            registry.rollback("shop", id_, 1)


def test_after_a_rollback_the_file_that_was_left_deploys_anew(registry: Registry) -> None:
    deploy(registry, project(port=1))
    second = deploy(registry, project(port=2))
    registry.rollback("shop", None, 3)
    done = registry.deploy(project(port=2), None, (), "deploy", 4)
    assert done.changed
    assert done.deployment.id != second.id


def test_a_host_leads_to_its_function(registry: Registry) -> None:
    deploy(registry, project(hosts='["API.shop.example.", "b.example"]'))
    function = registry.function("shop")
    assert registry.by_host("api.shop.example") == function
    assert registry.by_host("b.example") == function
    assert registry.by_host("c.example") is None


def test_a_host_belongs_to_one_function_alone(subject: Subject) -> None:
    registry = subject.registry
    deploy(registry, project("shop", hosts='["a.example"]'))
    before = deploy(registry, project("other"))
    subject.changes()
    with pytest.raises(HostTaken, match=r"a\.example.*shop") as caught:
        deploy(registry, project("other", hosts='["b.example", "a.example"]'))
    assert (caught.value.host, caught.value.slug) == ("a.example", "shop")
    assert registry.by_host("b.example") is None
    assert registry.deployments("other") == [before]
    assert subject.changes() == []


def test_a_host_is_free_once_no_live_deployment_has_it(registry: Registry) -> None:
    old = deploy(registry, project("shop", hosts='["a.example"]'))
    deploy(registry, project("shop", hosts="[]"))
    deploy(registry, project("other", hosts='["a.example"]'))
    with pytest.raises(HostTaken):
        registry.rollback("shop", old.id, 3)
    registry.delete("other")
    assert registry.by_host("a.example") is None
    registry.rollback("shop", old.id, 4)
    assert registry.by_host("a.example") == registry.function("shop")


def test_a_deleted_function_is_gone_with_its_deployments(registry: Registry) -> None:
    old = deploy(registry, project(hosts='["a.example"]'), DOCUMENT)
    assert registry.document(old.id) == DOCUMENT
    assert registry.delete("shop")
    assert not registry.delete("shop")
    assert registry.function("shop") is None
    assert registry.functions() == []
    assert registry.by_host("a.example") is None
    assert registry.deployments("shop") == []
    assert registry.document(old.id) is None
    done = registry.deploy(project(port=9001), None, (), "deploy", 7)
    assert done.first
    assert registry.deployments("shop") == [done.deployment]
    assert registry.deployment("shop", old.id) is None
    with pytest.raises(UnknownDeployment):
        registry.rollback("shop", old.id, 8)


def test_a_document_that_keeps_changing_does_not_fill_the_store(registry: Registry) -> None:
    deployed = deploy(registry, project(), b"0")
    made = [
        registry.deploy(project(), b"%d" % number, (), "document", number).deployment
        for number in range(1, DOCUMENTS_KEPT + 10)
    ]
    kept = registry.deployments("shop")
    assert {d.id for d in made if registry.document(d.id) is None} == {
        d.id for d in made if d not in kept
    }
    assert len(kept) == DOCUMENTS_KEPT + 2
    assert kept[-1] == deployed
    assert registry.document(kept[0].id) == b"%d" % (DOCUMENTS_KEPT + 9)


def test_only_so_many_deploys_are_kept_and_never_fewer_than_a_rollback_needs(
    registry: Registry,
) -> None:
    ids = [deploy(registry, project(port=9000 + number)).id for number in range(6)]
    registry.prune("shop", 2)
    assert [made.id for made in registry.deployments("shop")] == ids[:1:-1]
    registry.prune("shop", 0)
    assert [made.id for made in registry.deployments("shop")] == ids[:3:-1]
    registry.rollback("shop", ids[4], 9)
    registry.prune("shop", 0)
    assert [made.id for made in registry.deployments("shop")] == [ids[4]]
    registry.prune("nothing-there", 0)


def test_what_a_rollback_would_make_live_is_told_before(registry: Registry) -> None:
    assert registry.predecessor("shop") is None
    first = deploy(registry, project(port=1))
    assert registry.predecessor("shop") is None
    deploy(registry, project(port=2))
    assert registry.predecessor("shop") == first == registry.rollback("shop", None, 3)


def test_the_code_of_all_deployments_is_known(registry: Registry) -> None:
    registry.deploy(project(), None, (), "deploy", 1, "a" * 64)
    registry.deploy(project("other"), None, (), "deploy", 2, "b" * 64)
    registry.deploy(project("third"), None, (), "deploy", 3)
    assert registry.codes() == {"a" * 64, "b" * 64}
    registry.delete("other")
    assert registry.codes() == {"a" * 64}


def test_other_code_is_another_deployment(registry: Registry) -> None:
    assert registry.deploy(project(), None, (), "deploy", 1, "a" * 64).changed
    assert not registry.deploy(project(), None, (), "deploy", 2, "a" * 64).changed
    assert registry.deploy(project(), None, (), "deploy", 3, "b" * 64).changed


def test_a_deployment_is_called_as_was_promised_unless_that_is_taken(registry: Registry) -> None:
    made = registry.deploy(project(), None, (), "deploy", 1, id_="dep_promised")
    assert made.deployment.id == "dep_promised"
    other = registry.deploy(project("other"), None, (), "deploy", 2, id_="dep_promised")
    assert other.deployment.id not in ("", "dep_promised")


def test_what_is_still_as_it_was_known_is_not_read_again(subject: Subject) -> None:
    registry = subject.registry
    for slug in ("shop", "other", "gone"):
        deploy(registry, project(slug), DOCUMENT)
    known = {function.slug: function for function in registry.functions()}
    deploy(registry, project("other", port=9001), DOCUMENT)
    registry.delete("gone")
    again = registry.functions(known)
    assert again == registry.functions()
    assert [function.slug for function in again] == ["other", "shop"]
    assert again[1] is known["shop"]
    assert again[0].live.project.upstreams[0].port == 9001
    assert registry.count() == 2
    registry.rollback("other", known["other"].live.id, 9)
    [other, _] = registry.functions(known)
    assert (other.live.id, other.since) == (known["other"].live.id, 9)


def test_errors_say_what_to_do() -> None:
    errors: list[RegistryError] = [
        HostTaken("a.example", "shop"),
        UnknownFunction("shop"),
        UnknownDeployment("shop", "dep_1"),
        UnknownDeployment("shop", None),
    ]
    assert all("shop" in str(error) for error in errors)
