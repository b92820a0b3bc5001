"""What instances are made from, out of a data directory: files, secrets, addresses."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edge.code.store import DIRECTORY
from edge.code.store import Code as StoredCode
from edge.config import Config, function_url
from edge.running.instance import Sources
from edge.running.launch import Code
from edge.running.output import Output
from edge.secrets.store import SqliteSecrets
from tokens.database import Database


def sources(
    config: Config, bound: Sequence[str], database: Database, output_of: Callable[[str], Output]
) -> Sources:
    """Those of a data directory.

    Args:
        bound: the addresses that the edge is bound to, ports included.
    """
    return Sources(
        secrets_of=SqliteSecrets(database).of,
        code_of=partial(code_of, config.data_dir),
        url_of=partial(function_url, config, bound),
        output_of=output_of,
        clock=time.time,
    )


def code_of(data_dir: Path, digest: str) -> Code | None:
    """The files of a digest, or None if they are not there."""
    stored = StoredCode(data_dir.resolve() / DIRECTORY / digest)
    if not digest or not stored.is_whole:
        return None
    return Code(stored.files, stored.packages if stored.packages.is_dir() else None)
