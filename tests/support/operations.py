"""A store in a temporary directory with all operations on it, and every way to reach them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.admin.api import AdminApi
from edge.admin.client import HttpTransport, RemoteOperations, UnixTransport
from edge.admin.local import LocalOperations
from edge.admin.opening import open_store
from edge.admin.operations import Operations
from edge.config import Config
from edge.state.ended_sessions import StoredEndedSessions
from tests.support.asgi_server import on_tcp, on_unix
from tokens.database import FILE, Database

WAYS = ("here", "socket", "address")
"""To the operations on a store: in its own process, or as a client of the edge that has it."""


@contextmanager
def store(directory: Path, **settings: object) -> Iterator[LocalOperations]:
    """The operations on a fresh or existing store."""
    config = Config(data_dir=directory, **settings)  # type: ignore[arg-type]
    with closing(open_store(config, "1.2.3", "create")) as opened:
        yield opened


@contextmanager
def reached(edge: LocalOperations, way: str, socket: Path) -> Iterator[Operations]:
    """The same operations by one of the `WAYS`; `socket` is where theirs may be."""
    if way == "here":
        yield edge
    elif way == "socket":
        with on_unix(AdminApi(edge), socket) as path:
            yield RemoteOperations(UnixTransport(path))
    else:
        token = edge.create_access("laptop").token
        with on_tcp(AdminApi(edge, edge.authenticate)) as url:
            yield RemoteOperations(HttpTransport(url, token))


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
