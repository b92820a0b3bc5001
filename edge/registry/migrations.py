"""The registry's tables and how they came to be. A step, once released, is never edited.

Routes are stored resolved, as JSON, so that loading a function needs no look into its document.
`schema` is the `sqlite_utils.Database` that migrations are handed.
"""

from typing import Any

from tokens.migrations import Migration

SET = "edge"


def create_deployments(schema: Any) -> None:
    """Deployments in the order in which they were made; `created` is Unix seconds.

    `before` is the id of the deployment that was live when one was made.
    """
    texts = {"id": str, "slug": str, "origin": str, "digest": str, "project": str, "routes": str}
    schema.create_table(
        "deployments",
        {"number": int, **texts, "document": bytes, "created": float, "before": str},
        pk="number",
        not_null={*texts, "created"},
    )
    schema.table("deployments").create_index(["id"], unique=True)
    schema.table("deployments").create_index(["slug", "number"])


def create_functions(schema: Any) -> None:
    """Live functions; `live` is the id of a deployment, times are Unix seconds."""
    columns = {"slug": str, "live": str, "created": float, "since": float}
    schema.create_table("functions", columns, pk="slug", not_null=set(columns))


def create_hosts(schema: Any) -> None:
    """Custom hosts of live deployments."""
    schema.create_table("hosts", {"host": str, "slug": str}, pk="host", not_null={"slug"})
    schema.table("hosts").create_index(["slug"])


def move_documents(schema: Any) -> None:
    """Documents to a table of their own, so that reading a deployment does not read past its.

    A deployment takes its document along.
    """
    schema.execute("CREATE TABLE documents (deployment TEXT PRIMARY KEY, content BLOB NOT NULL)")
    schema.execute(
        "INSERT INTO documents SELECT id, document FROM deployments WHERE document IS NOT NULL"
    )
    schema.execute("ALTER TABLE deployments ADD COLUMN document_bytes INTEGER")
    schema.execute("UPDATE deployments SET document_bytes = length(document)")
    schema.execute("ALTER TABLE deployments DROP COLUMN document")
    schema.execute(
        "CREATE TRIGGER documents_go AFTER DELETE ON deployments BEGIN"
        " DELETE FROM documents WHERE deployment = OLD.id; END"
    )


def add_code(schema: Any) -> None:
    """`code` is the digest of the files of a function that the edge runs, else empty."""
    schema.execute("ALTER TABLE deployments ADD COLUMN code TEXT NOT NULL DEFAULT ''")


STEPS: tuple[Migration, ...] = (
    create_deployments,
    create_functions,
    create_hosts,
    move_documents,
    add_code,
)
