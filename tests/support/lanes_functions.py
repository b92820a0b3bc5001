"""The functions that the lanes' cases call: one for each setting that changes what is answered."""

from typing import Any

from tests.support.edge_in_process import EdgeInProcess
from tests.support.expected import DOCUMENT
from tests.support.lanes import World
from tests.support.origin import refusing

ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "M-SEARCH"]
PAGE = "https://page.example"

FUNCTIONS: dict[str, dict[str, Any]] = {
    "shop": {"methods": ALL},
    "open": {"public": True},
    "small": {"limits": {"body": 10}},
    "quick": {"timeout": 150},
    "reader": {"methods": ["GET"]},
    "nocors": {"cors": False},
    "page": {"cors": {"origin": [PAGE], "credentials": True}},
    "shut": {"openRoutes": False},
    "oauth": {"oauth": "function"},
    "places": {"acceptTokensIn": ["x-jelou-token", "authorization", "x-api-key"]},
    "nomcp": {"mcp": False},
    "narrow": {"path": "/api/{id}"},
    "kept": {"how": {"preserveHost": True, "headers": {"X-Own": "ours", "Accept": "text/own"}}},
    "based": {"path_of_upstream": "/base"},
    "raw": {"how": {"rewrite": False}},
    "hosted": {"keys": {"hosts": ["api.shop.example"]}},
    "tools": {
        "document": DOCUMENT,
        "keys": {"tools": {"getOrder": {"operationId": "getOrder", "config": {"public": True}}}},
    },
    "guarded": {
        "public": True,
        "document": DOCUMENT,
        "keys": {"tools": {"getOrder": {"operationId": "getOrder", "config": {"public": False}}}},
    },
}
SCOPED = {
    "orders": ["route:GET /orders/{id}"],
    "mcp": ["mcp"],
    "tool": ["tool:x"],
    "http": ["http"],
}


def deploy(world: World, *slugs: str) -> None:
    """Make functions live, all of them unless some are named, and mint their tokens."""
    for slug in slugs or FUNCTIONS:
        _deploy(world, slug, dict(FUNCTIONS[slug]))
    for name, scopes in SCOPED.items():
        world.mint("shop", name, scopes=scopes)
    world.mint("shop", "ended")
    world.edge.revoke("ended", "shop")
    if not slugs:
        _deploy_unreachable(world.edge)
        world.mint("gone", "default")


def _deploy(world: World, slug: str, config: dict[str, Any]) -> None:
    where = world.origin.upstream
    base = config.pop("path_of_upstream", "")
    if base:
        where = type(where)("http", where.host, where.port, base=base)
    world.edge.tokens[slug] = ""  # so that it mints none of its own
    world.edge.deploy(where, slug, **config)
    world.mint(slug, "default")


def _deploy_unreachable(edge: EdgeInProcess) -> None:
    edge.tokens["gone"] = ""
    edge.deploy(refusing(), "gone")
