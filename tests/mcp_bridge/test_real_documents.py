"""Large documents of real APIs, as npm has them: how many tools come of them, and which."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from mcp.shared.inbound import find_invalid_x_mcp_header

from mcp_bridge.catalog import Catalog, build
from mcp_bridge.jsontext import dump
from mcp_bridge.listing import listed
from mcp_bridge.requests import build as request
from mcp_bridge.revisions import STATELESS
from mcp_bridge.search import Search
from tests.clients import packages
from tests.mcp_bridge.serving import principal

SOURCE = Path(__file__).parent / "npm"
GITHUB = "@octokit/openapi/generated/api.github.com.json"


@dataclass(frozen=True)
class Expected:
    """What comes of a document; the digest is of everything that clients see."""

    tools: int
    warnings: int
    digest: str


EXPECTED = {
    GITHUB: Expected(1223, 0, "340884a1a914c6ee"),
    "@octokit/openapi/generated/ghes-3.19.json": Expected(1039, 0, "58c2d13ab46739fc"),
    "@readme/oas-examples/3.0/json/star-trek.json": Expected(120, 0, "61287a4ed4a26b5c"),
    "@readme/oas-examples/3.0/json/readme-legacy.json": Expected(36, 0, "86637a27def39074"),
    "@readme/oas-examples/3.0/json/petstore.json": Expected(20, 0, "23b73b9c57856ee8"),
    "@readme/oas-examples/3.0/json/complex-nesting.json": Expected(5, 0, "52a212f9fb2c7918"),
    "@readme/oas-examples/3.1/json/readme.json": Expected(54, 0, "8753d3d65472ca3d"),
    "@readme/oas-examples/3.1/json/petstore.json": Expected(20, 0, "3c01194f5b29df8a"),
    "@readme/oas-examples/3.0/json/parameters-style.json": Expected(23, 2, "d58af1a2d4951ba5"),
    "@readme/oas-examples/3.0/json/circular.json": Expected(1, 0, "0f512a5618bd1eb1"),
    "@readme/oas-examples/3.0/json/polymorphism.json": Expected(13, 0, "1191a1463a0aca82"),
    "@readme/oas-examples/3.0/json/schema-types.json": Expected(21, 0, "e95fba730dad07c1"),
    "@readme/oas-examples/3.0/json/file-uploads.json": Expected(3, 0, "17e2d483485a087e"),
    "@readme/oas-examples/3.0/json/uspto.json": Expected(3, 0, "a688dd959c752dfc"),
}


@pytest.fixture(scope="module")
def documents() -> Path:
    """The folder into which npm has put the documents."""
    return packages.or_skip(lambda: packages.installed(SOURCE)) / "node_modules"


def digest(catalog: Catalog) -> str:
    whole = sha256()
    for tool in catalog.tools:
        whole.update(dump(listed(tool, STATELESS[0])) + b"\n")
    return whole.hexdigest()[:16]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if "ghes" in name else ()) for name in EXPECTED],
)
def test_a_real_document_becomes_the_tools_that_it_did(documents: Path, name: str) -> None:
    catalog = build((documents / name).read_bytes())
    assert catalog.problem is None
    assert not [t.name for t in catalog.tools if find_invalid_x_mcp_header(dict(t.input_schema))]
    found = Expected(len(catalog.tools), len(catalog.warnings), digest(catalog))
    assert found == EXPECTED[name], [str(warning) for warning in catalog.warnings[:5]]


@pytest.fixture(scope="module")
def github(documents: Path) -> Catalog:
    """The tools of GitHub's API."""
    return build((documents / GITHUB).read_bytes())


@pytest.mark.slow
def test_github_issues_can_be_made(github: Catalog) -> None:
    tool = github.entries["post_repos_owner_repo_issues"].tool
    arguments = {"owner": "o/x", "repo": "r", "title": "It broke", "labels": ["bug"]}
    assert github.entries[tool.name].arguments.violations(arguments) == []
    sent = request(tool, arguments)
    assert (sent.method, sent.target) == ("POST", b"/repos/o%2Fx/r/issues")
    assert json.loads(sent.body or b"") == {"title": "It broke", "labels": ["bug"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("create an issue", "post_repos_owner_repo_issues"),
        ("list pull requests", "get_repos_owner_repo_pulls"),
        ("delete a repository secret", "delete_repos_owner_repo_actions_secrets_secret_name"),
    ],
)
def test_among_a_thousand_tools_search_puts_the_one_first(
    github: Catalog, query: str, expected: str
) -> None:
    found = Search().find(github, principal(), False, {"query": query}, STATELESS[0])
    assert found["structuredContent"]["tools"][0]["name"] == expected


def test_a_swagger_document_is_named_as_such(documents: Path) -> None:
    folder = documents / "@readme/oas-examples/2.0/json"
    catalog = build((folder / "petstore.json").read_bytes())
    assert catalog.tools == ()
    assert "Swagger 2.0; convert it to OpenAPI 3" in catalog.warnings[0].message
