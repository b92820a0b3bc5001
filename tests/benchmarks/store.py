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


def make(folder: Path, upstream: int, count: int = TOKENS) -> Store:
    """Deploy the function and create its tokens in a new data directory."""
    data_dir = folder / "data"
    deploy(folder / "project", data_dir, upstream)
    database = Database.open(data_dir, create=False)
    try:
        service = TokenService(SqliteTokens(database), database.clock, os.urandom)
        tokens = tuple(service.create(SLUG, f"caller-{n}").secret for n in range(count))
    finally:
        database.close()
    digests = tuple(hashlib.sha256(token.encode()).hexdigest() for token in tokens)
    return Store(data_dir, tokens, digests)


def deploy(project: Path, data_dir: Path, upstream: int) -> None:
    """Deploy the function, at this port of 127.0.0.1, without a limit to its bodies."""
    project.mkdir(parents=True, exist_ok=True)
    settings = {
        "function": SLUG,
        "upstream": f"http://127.0.0.1:{upstream}",
        "openapi": False,
        "config": {"mcp": False, "limits": {"body": None}},
    }
    (project / "jelou.json").write_text(json.dumps(settings), "utf-8")
    jelou(data_dir, "deploy", str(project), "--no-token")
