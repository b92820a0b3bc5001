"""The suite, what it is run against, and a line for each run at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import packages
from tests.conformance import suite as official
from tests.conformance import targets
from tests.conformance.suite import Suite
from tests.conformance.targets import Target
from tests.support.mcp_era import ONLY_HANDSHAKE, ONLY_STATELESS

SAID = "conformance"


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The official suite."""
    packages.or_skip(lambda: packages.installed(packages.CONFORMANCE))
    packages.or_skip(packages.node)
    return official.installed()


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An edge whose tools are a plain HTTP function's operations."""
    with targets.tools(tmp_path_factory.mktemp("tools") / "data") as target:
        yield target


@pytest.fixture(scope="session")
def pass_through(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An edge before an MCP server."""
    with targets.pass_through(tmp_path_factory.mktemp("pass-through") / "data") as target:
        yield target


@pytest.fixture(scope="session")
def edge_wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An edge whose own `/mcp` has the tools of a plain HTTP function."""
    with targets.edge_wide(tmp_path_factory.mktemp("edge-wide") / "data") as target:
        yield target


@pytest.fixture(scope="session")
def before_handshake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An edge that speaks for an MCP server of the handshake revisions alone."""
    folder = tmp_path_factory.mktemp("before-handshake") / "data"
    with targets.pass_through(folder, ONLY_HANDSHAKE) as target:
        yield target


@pytest.fixture(scope="session")
def before_stateless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An edge that speaks for an MCP server of the stateless revision alone."""
    folder = tmp_path_factory.mktemp("before-stateless") / "data"
    with targets.pass_through(folder, ONLY_STATELESS) as target:
        yield target


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many checks passed in each run."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    said = [value for each in reports for name, value in each.user_properties if name == SAID]
    if said:
        terminalreporter.section("conformance checks that passed")
    for line in sorted(map(str, said)):
        terminalreporter.write_line(line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the suite puts its records."""
    return tmp_path / "records"
