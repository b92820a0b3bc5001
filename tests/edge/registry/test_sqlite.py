"""What only the registry on disk can show: other processes' eyes, outer transactions, old rows."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from edge.project_file.parse import project_for_url
from edge.registry import migrations
from edge.registry.sqlite import SqliteRegistry
from edge.registry.store import UnreadableDeployment
from tokens.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty store."""
    opened = Database.open(tmp_path, create=True)
    yield opened
    opened.close()


def registry_on(database: Database, start: int = 0) -> SqliteRegistry:
    """A registry with ids of its own."""
    calls = count(start)
    return SqliteRegistry(database, lambda size: next(calls).to_bytes(size, "big"))


def test_another_connection_sees_a_deploy_and_knows_what_changed(
    database: Database, tmp_path: Path
) -> None:
    registry = registry_on(database)
    other = Database.open(tmp_path)
    before = other.generation()
    registry.deploy(project_for_url("http://127.0.0.1:9000", "shop"), b"{}", (), "deploy", 1)
    assert other.mirror.read() > before
    assert other.changes_since(before).keys == (("function", "shop"),)
    assert registry_on(other, 100).function("shop") == registry.function("shop")
    other.close()


def test_an_outer_transaction_takes_the_registry_along(database: Database) -> None:
    registry = registry_on(database)
    registry.deploy(project_for_url("http://127.0.0.1:9000", "shop"), None, (), "deploy", 1)
    before = database.generation()
    with suppress(InterruptedError), database.write():
        assert registry.delete("shop")
        assert registry.function("shop") is None
        raise InterruptedError
    assert registry.function("shop") is not None
    assert database.generation() == before


def test_documents_of_an_older_store_are_found_where_they_are_now(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(migrations, "STEPS", migrations.STEPS[:3])
        registry_on(database)
    text = project_for_url("http://127.0.0.1:9000", "shop").text
    with database.write() as write:
        for number, document in enumerate((b"{}", None)):
            write.connection.execute(
                "INSERT INTO deployments (id, slug, origin, digest, project, routes, document,"
                " created, before) VALUES (?, 'shop', 'deploy', '', ?, '[]', ?, 1, '')",
                (f"dep_{number}", text, document),
            )
        write.connection.execute("INSERT INTO functions VALUES ('shop', 'dep_0', 1, 1)")
    registry = registry_on(database)
    assert [made.document_bytes for made in registry.deployments("shop")] == [None, 2]
    assert [registry.document(f"dep_{number}") for number in (0, 1)] == [b"{}", None]
    assert registry.delete("shop")
    assert database.rows("SELECT * FROM documents") == []


@pytest.mark.parametrize(
    "spoilt", ["UPDATE deployments SET project = '{}'", "UPDATE deployments SET routes = '[1]'"]
)
def test_a_row_from_another_age_is_named_and_can_be_replaced(
    database: Database, spoilt: str
) -> None:
    registry = registry_on(database)
    project = project_for_url("http://127.0.0.1:9000", "shop")
    registry.deploy(project, None, (), "deploy", 1)
    with database.write() as write:
        write.connection.execute(spoilt)
    with pytest.raises(UnreadableDeployment, match="shop"):
        registry.function("shop")
    registry.deploy(project, b"{}", (), "deploy", 2)
    assert registry.function("shop") is not None


def test_a_redeploy_mends_an_unreadable_live_deployment(database: Database) -> None:
    registry = registry_on(database)
    project = project_for_url("http://127.0.0.1:9000", "shop")
    registry.deploy(project, None, (), "deploy", 1)
    with database.write() as write:
        write.connection.execute("UPDATE deployments SET project = '{}'")
    assert registry.deploy(project, None, (), "deploy", 2).changed
    assert registry.function("shop") is not None
