"""The suite, what it is run against, and a line for each run at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import packages
from tests.conformance import suite as official
from tests.conformance import targets
from tests.conformance.suite import Suite
from tests.conformance.targets import Target

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
