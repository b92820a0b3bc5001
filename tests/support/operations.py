"""A store in a temporary directory with all operations on it, as the command line opens it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.admin.local import LocalOperations
from edge.admin.opening import open_store
from edge.config import Config
from edge.state.ended_sessions import StoredEndedSessions
from tokens.database import FILE, Database


@contextmanager
def store(directory: Path, **settings: object) -> Iterator[LocalOperations]:
    """The operations on a fresh or existing store."""
    config = Config(data_dir=directory, **settings)  # type: ignore[arg-type]
    with closing(open_store(config, "1.2.3", "create")) as opened:
        yield opened


def prepare(directory: Path) -> None:
    """Put a fresh store where none is: making its tables is most of what starting an edge costs."""
    if not (directory / FILE).exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / FILE).write_bytes(_fresh())


@cache
def _fresh() -> bytes:
    with TemporaryDirectory() as directory:
        with store(Path(directory)), closing(Database.open(Path(directory))) as database:
            StoredEndedSessions(database, database.clock)
        return (Path(directory) / FILE).read_bytes()
