"""Gets the MCP contenders into `.run/bench/mcp/`, each with an environment or folder of its own.

Their dependencies exclude one another, so they share none.
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

from tests.benchmarks.install import FOLDER, Installed, last_line, run
from tests.clients import packages

MCP_FOLDER = FOLDER / "mcp"
PATIENCE = 400.0
"""Seconds for one contender with all that it needs; some bring over a hundred packages."""

PYTHON: dict[str, tuple[str, ...]] = {
    "fastmcp": ("fastmcp", "uvloop", "httptools"),
    "openapi-mcp-hub": ("openapi-mcp-hub", "uvloop", "httptools"),
    "litellm": ("litellm[proxy]", "prisma"),
    "contextforge": ("mcp-contextforge-gateway",),
}
"""What is installed, by contender; the first is the one whose version is shown."""

NPM = "mcp-proxy"


def install(found: Installed, say: Callable[[str], None], *, fetch: bool = True) -> None:
    """Fetch what is not there yet, unless told not to, and note all programs and reasons."""
    for name, wanted in PYTHON.items():
        why = _python_reason(name, wanted, say) if fetch else "not installed"
        package = wanted[0].partition("[")[0]
        python = _python(name)
        there = python if _mark(name).exists() else None
        found.add(name, there, partial(_python_version, name, package), why)
    _npm(found, say, fetch=fetch)


def _folder(name: str) -> Path:
    return MCP_FOLDER / name


def _mark(name: str) -> Path:
    return _folder(name) / ".complete"


def _python(name: str) -> Path:
    return _folder(name) / "bin" / "python"


def _python_reason(name: str, wanted: Sequence[str], say: Callable[[str], None]) -> str:
    """Install a contender unless it is there; why it could not be, else empty."""
    if _mark(name).exists():
        return ""
    say(f"▸ Installing {wanted[0]} into an environment of its own")
    made = run([sys.executable, "-m", "venv", str(_folder(name))], FOLDER, patience=PATIENCE)
    if made.returncode:
        return last_line(made.stderr)
    flags = ["--disable-pip-version-check", "--quiet", "--retries", "1", "--timeout", "10"]
    pip = [str(_python(name)), "-m", "pip", "install", *flags, *wanted]
    done = run(pip, FOLDER, patience=PATIENCE)
    if done.returncode:
        return last_line(done.stderr)
    _mark(name).touch()
    return ""


def _python_version(name: str, package: str) -> str:
    """The version of a package there. Raises LookupError."""
    folders = [str(path) for path in _folder(name).glob("lib/python*/site-packages")]
    for each in metadata.distributions(path=folders):
        if each.name.lower() == package:
            return each.version
    raise LookupError(f"{package} is not in its environment")


def _npm(found: Installed, say: Callable[[str], None], *, fetch: bool) -> None:
    try:
        node = packages.node() if fetch else Path(shutil.which("node") or "")
        why = _npm_reason(say) if fetch else "not installed"
    except (OSError, packages.NotInstalledError) as error:
        node, why = Path(), str(error)
    program = _folder(NPM) / "node_modules" / NPM / "dist" / "bin" / "mcp-proxy.mjs"
    there = program if program.exists() and node.is_file() else None
    found.add(NPM, there, _npm_version, why)
    if NPM in found.programs:
        found.programs[NPM] = replace(found.programs[NPM], env={"NODE": str(node)})


def _npm_reason(say: Callable[[str], None]) -> str:
    if _mark(NPM).exists():
        return ""
    say(f"▸ Installing {NPM} from npm")
    _folder(NPM).mkdir(parents=True, exist_ok=True)
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(_folder(NPM))]
    done = run(["npm", "install", *flags, NPM], _folder(NPM), patience=PATIENCE)
    if done.returncode:
        return last_line(done.stderr)
    _mark(NPM).touch()
    return ""


def _npm_version() -> str:
    """The version in its package.json. Raises LookupError, OSError."""
    text = (_folder(NPM) / "node_modules" / NPM / "package.json").read_text("utf-8")
    version: str = json.loads(text)["version"]
    return version
