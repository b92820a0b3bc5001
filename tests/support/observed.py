"""An edge's operations whose workers have counted what a test says."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from edge.admin.deploying import Place
from edge.admin.local import LocalOperations
from edge.admin.local_observed import observed
from edge.admin.local_status import Looks
from edge.admin.opening import assembled
from edge.admin.stores import open_database
from edge.config import Config
from edge.observe.pages import Page


@contextmanager
def counting(data_dir: Path, pages: Callable[[], Sequence[Page]]) -> Iterator[LocalOperations]:
    """The operations of such an edge, on a store of its own."""
    looks = Looks(observed=lambda: observed(pages(), time.time()))
    place = Place(Config(data_dir=data_dir), ("127.0.0.1:8080",), running=True)
    with closing(open_database(data_dir, "create")) as database:
        yield assembled(database, place, "1.2.3", looks=looks)
