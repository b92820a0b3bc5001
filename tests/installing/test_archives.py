"""What is in the wheel and in the sdist: all that is needed, and nothing else."""

import email
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.support.installed import Built, digest, must
from tests.support.processes import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SDIST = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
PACKAGES = ("edge", "mcp_bridge", "tokens")


def files_of(directory: str) -> set[str]:
    """Every file of the tree below this, but what Python leaves behind."""
    found = (ROOT / directory).rglob("*")
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def contents(wheel: Path) -> dict[str, str]:
    """The files of a wheel, by name, as digests."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: digest(archive.read(name)) for name in archive.namelist()}


def test_the_wheel_holds_the_program_its_manual_and_what_to_deploy_it_with(built: Built) -> None:
    name = f"jelou_edge-{PROJECT['version']}"
    program = {file for package in PACKAGES for file in files_of(package)}
    shared = {f"{name}.data/data/share/man/man1/{page}" for page in ("jelou.1", "jelou-edge.1")}
    shared |= {
        f"{name}.data/data/share/jelou-edge/{file.removeprefix('examples/deploying/')}"
        for file in files_of("examples/deploying")
    }
    about = {f"{name}.dist-info/{file}" for file in ("METADATA", "WHEEL", "RECORD")}
    about.add(f"{name}.dist-info/entry_points.txt")
    assert set(contents(built.wheel)) == program | shared | about
    assert "edge/py.typed" in program


def test_it_says_what_it_is_and_needs(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        about = email.message_from_bytes(archive.read(name))
    assert (about["Name"], about["Version"]) == ("jelou-edge", PROJECT["version"])
    assert about["Summary"] == PROJECT["description"]
    assert about["Requires-Python"] == ">=3.11"
    assert about.get_content_type() == "text/plain"
    assert about["Description-Content-Type"] == "text/markdown"
    assert about.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    assert {"Typing :: Typed", "Operating System :: POSIX :: Linux"} <= set(
        about.get_all("Classifier") or ()
    )
    needed = [each for each in about.get_all("Requires-Dist") or () if "extra ==" not in each]
    assert len(needed) == len(PROJECT["dependencies"])


def test_the_sdist_holds_what_the_wheel_is_built_from_and_no_tests(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        paths = [PurePosixPath(each.name) for each in archive.getmembers() if each.isfile()]
    held = {str(PurePosixPath(*path.parts[1:])) for path in paths}
    sources = {file for folder in (*PACKAGES, "docs/man") for file in files_of(folder)}
    own = {"README.md", "pyproject.toml", ".gitignore", "PKG-INFO"}
    assert held == sources | files_of("examples/deploying") | own


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_wheel_made_of_the_sdist_is_that_of_the_tree(built: Built, tmp_path: Path) -> None:
    make = ("-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir")
    must(sys.executable, *make, tmp_path / "out", built.sdist, cwd=tmp_path)
    (wheel,) = (tmp_path / "out").iterdir()
    assert contents(wheel) == contents(built.wheel)
