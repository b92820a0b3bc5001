"""The examples' README names every example; what they install is locked."""

import json
import re
import shlex

import pytest

from tests.support.processes import ROOT

EXAMPLES = ROOT / "examples"
README = (EXAMPLES / "README.md").read_text("utf-8")
ROWS = re.findall(r"^\| \[`([^`]+)`\]\(([^)]+)\) \| .* \| `([^`]+)` \|$", README, re.MULTILINE)
PROGRAMS = {".mjs", ".py", ".sh"}


def test_every_example_has_a_row() -> None:
    programs = {
        path.relative_to(EXAMPLES).as_posix()
        for path in EXAMPLES.rglob("*")
        if path.suffix in PROGRAMS
        and "node_modules" not in path.parts
        and not (EXAMPLES / path.relative_to(EXAMPLES).parts[0] / "README.md").exists()
    }

    assert programs - {target for _, target, _ in ROWS} == {"run.py"}  # named below the table


@pytest.mark.parametrize(("name", "target", "line"), ROWS)
def test_a_row_names_and_runs_a_program_that_is_there(name: str, target: str, line: str) -> None:
    assert (EXAMPLES / name).exists()
    assert (ROOT / "examples" / target).is_file()
    assert f"examples/{target}" in shlex.split(line)


LOCKS = [".ci/requirements.txt", ".ci/requirements-dev.txt"]
NPM_LOCKS = ["examples/mcp-clients/package-lock.json", "tests/clients/npm/package-lock.json"]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_versions_and_hashes_but_no_server(name: str) -> None:
    lines = (ROOT / name).read_text("utf-8").splitlines()

    assert all(
        re.match(r"[a-z0-9._-]+==\S+ |    --hash=sha256:[0-9a-f]{64}", each) for each in lines
    )


@pytest.mark.parametrize("name", NPM_LOCKS)
def test_an_npm_lock_names_versions_and_hashes_but_no_server(name: str) -> None:
    packages = json.loads((ROOT / name).read_text("utf-8"))["packages"]
    folders = [entry for path, entry in packages.items() if path]

    assert all("integrity" in entry and "resolved" not in entry for entry in folders)
