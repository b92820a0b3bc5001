"""A data directory that knows the function and its thousand tokens, made as users make one."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.support.edge import jelou
from tokens.database import Database
from tokens.service import TokenService
from tokens.sqlite import SqliteTokens

SLUG = "bench"
TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Store:
    """What all contenders are to know.

    Attributes:
        digests: SHA-256 of each token, lower-case hex.
    """

    data_dir: Path
    tokens: tuple[str, ...]
    digests: tuple[str, ...]


def make(folder: Path, upstream: int, count: int = TOKENS, document: str = "") -> Store:
    """Deploy the function and create its tokens in a new data directory.

    Args:
        document: OpenAPI, whose operations are its tools; without one it has no `/mcp`.
    """
    data_dir = folder / "data"
    deploy(folder / "project", data_dir, upstream, document)
    database = Database.open(data_dir, create=False)
    try:
        service = TokenService(SqliteTokens(database), database.clock, os.urandom)
        tokens = tuple(service.create(SLUG, f"caller-{n}").secret for n in range(count))
    finally:
        database.close()
    digests = tuple(hashlib.sha256(token.encode()).hexdigest() for token in tokens)
    return Store(data_dir, tokens, digests)


def deploy(project: Path, data_dir: Path, upstream: int, document: str = "") -> None:
    """Deploy the function, at this port of 127.0.0.1, without a limit to its bodies."""
    project.mkdir(parents=True, exist_ok=True)
    if document:
        (project / "openapi.json").write_text(document, "utf-8")
    settings = {
        "function": SLUG,
        "upstream": f"http://127.0.0.1:{upstream}",
        "openapi": "./openapi.json" if document else False,
        "config": {"mcp": bool(document), "limits": {"body": None}},
    }
    (project / "jelou.json").write_text(json.dumps(settings), "utf-8")
    jelou(data_dir, "deploy", str(project), "--no-token")
