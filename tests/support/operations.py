"""A store in a temporary directory with all operations on it, as the command line opens it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edge.admin.local import LocalOperations
from edge.admin.opening import open_store
from edge.config import Config


@contextmanager
def store(directory: Path, **settings: object) -> Iterator[LocalOperations]:
    """The operations on a fresh or existing store."""
    config = Config(data_dir=directory, **settings)  # type: ignore[arg-type]
    with closing(open_store(config, "1.2.3", "create")) as opened:
        yield opened
