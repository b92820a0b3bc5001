"""An edge with a console, a function behind it, and a browser."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium, shop
from tests.clients.packages import or_skip
from tests.support.documents_origin import free_port
from tests.support.whole_edge import Edge, serving


@dataclass
class Site:
    """Where the console is, and what opens it.

    Attributes:
        token: an access token that may everything.
    """

    edge: Edge
    url: str
    token: str


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Not for longer: playwright's event loop runs in this thread as long as its browser does."""
    with chromium.browser(or_skip(chromium.program)) as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> str:
    return or_skip(chromium.axe).read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    directory = tmp_path_factory.mktemp("site") / "data"
    with (
        shop.serving() as function,
        serving(directory, "--admin", f"127.0.0.1:{port}", workers=2) as edge,
    ):
        edge.deploy("shop", function)
        edge.deploy("shop", function, methods=["GET", "POST"])
        token = edge.operations.create_access("browser").token
        yield Site(edge, f"http://127.0.0.1:{port}", token)
