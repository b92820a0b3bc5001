"""What can be asked of an edge: requests as values, and how they are made up at random. Pure."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

EDGE: Final = "edge"
SLUGS = ("shop", "till", "desk")
HOSTS = ("orders.example", "shop.example")
DOCUMENTS = ("/__health", "/openapi.json")
MADE_UP = 1_000_000
"""The number of a token that nobody ever made."""


@dataclass(frozen=True)
class Tool:
    """An operation that every function has, and where a request for it goes."""

    method: str
    template: str
    path: str


TOOLS = {
    "getOrder": Tool("GET", "/orders/{id}", "/orders/7"),
    "listOrders": Tool("GET", "/orders", "/orders"),
    "addOrder": Tool("POST", "/orders", "/orders"),
}
ROUTES = (
    *((tool.method, tool.path) for tool in TOOLS.values()),
    ("HEAD", "/orders/7"),
    ("GET", "/elsewhere"),
    ("GET", "/orders//7"),
    *(("GET", document) for document in DOCUMENTS),
)

Form = Literal["host", "path", "custom", "edge"]
Kind = Literal["http", "list", "call", "open", "end"]


@dataclass(frozen=True)
class Address:
    """How a function is named: in the host, in the path, by a host of its own; or the edge."""

    form: Form
    name: str = ""


EDGE_ITSELF = Address("edge")
ADDRESSES = (
    *(Address("host", slug) for slug in SLUGS),
    *(Address("path", slug) for slug in SLUGS),
    *(Address("custom", host) for host in HOSTS),
    EDGE_ITSELF,
)


@dataclass(frozen=True)
class Question:
    """One request.

    Attributes:
        kind: plain HTTP, or at `/mcp`: to list or call tools, to open or end a session.
        token, session: their numbers.
        stateless: whether MCP is spoken in its stateless revision.
    """

    address: Address
    kind: Kind
    method: str = "POST"
    path: str = "/mcp"
    tool: str = ""
    token: int | None = None
    session: int | None = None
    stateless: bool = False


def made_up(
    random: Random, address: Address, token: int | None, session: int | None = None
) -> Question:
    """Some question that somebody asks somewhere; in a session it is one of MCP."""
    if session is None and random.random() < 0.4:
        method, path = random.choice(ROUTES)
        return Question(address, "http", method, path, token=token)
    stateless = session is None and random.random() < 0.5
    tool = random.choice(
        [f"{slug}__{name}" for slug in SLUGS for name in TOOLS]
        if address == EDGE_ITSELF
        else [*TOOLS]
    )
    asked = Question(address, "call", tool=tool, token=token, session=session, stateless=stateless)
    return replace(asked, kind="list", tool="") if random.random() < 0.5 else asked
