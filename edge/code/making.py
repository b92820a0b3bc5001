"""Makes a deployment's code from the files that were sent: unpacked, installed, built, sealed."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from edge.code.command import Command, Owner, run
from edge.code.limits import CodeError
from edge.code.recipe import (
    PYPROJECT,
    REQUIREMENTS,
    Recipe,
    dependencies,
    is_empty,
    stands_alone,
)
from edge.code.store import Code, CodeStore

_PYTHON = (sys.executable, "-P", "-m")
"""Without the working directory among the modules: a project may have a json.py of its own."""

_PIP = (*_PYTHON, "pip", "install", "--quiet", "--no-input", "--no-cache-dir")
_PIP_SETTINGS = ("PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
_PROXIES = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})
_LARGEST = 256 * 1024
_HOME = "home"
_INSTALLED = "installed"


@dataclass(frozen=True, slots=True)
class Means:
    """With what code is made.

    Attributes:
        environment: the build's, as the function's processes have it; holds secrets.
        environ: the edge's own; how it reaches package indexes is taken from it.
        owner: the function's user, or None for the edge's.
        timeout: seconds for each step.
    """

    environment: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    owner: Owner | None
    timeout: float


def make(store: CodeStore, recipe: Recipe, means: Means) -> str:
    """Make the code of a recipe, unless it is there.

    Returns:
        Its digest.

    Raises:
        CodeError: a step failed, with the last lines of its output; or the files are not here.
        OSError: the disk.
    """
    with store.making(recipe.digest, recipe.archive) as code:
        if code is not None:
            _Making(store, recipe, means, code).whole()
    return recipe.digest


class _Making:
    """One recipe on its way."""

    def __init__(self, store: CodeStore, recipe: Recipe, means: Means, code: Code) -> None:
        self._store = store
        self._recipe = recipe
        self._means = means
        self._code = code
        self._home = code.directory / _HOME

    def whole(self) -> None:
        """All steps."""
        if self._recipe.entrypoint and not (self._code.files / self._recipe.entrypoint).is_file():
            raise CodeError(f"The entrypoint {self._recipe.entrypoint} is not among the files")
        self._home.mkdir()
        self._code.directory.chmod(0o711)
        self._store.hand(self._home, self._means.owner)
        self._store.hand(self._code.files, self._means.owner)
        if self._recipe.entrypoint:
            self._install()
        if self._recipe.build:
            self._build()
        if self._recipe.entrypoint:
            self._compile()
        shutil.rmtree(self._home, ignore_errors=True)
        self._store.seal(self._code, self._means.owner)

    def _install(self) -> None:
        wanted, arguments = self._requirements()
        if is_empty(wanted):
            return
        key = _key(self._recipe.slug, wanted)
        packages = self._code.packages
        known = self._installed_before(key) if stands_alone(wanted) else None
        if known is not None:
            shutil.copytree(known.packages, packages, symlinks=True, copy_function=os.link)
        else:
            packages.mkdir()
            self._store.hand(packages, self._means.owner)
            argv = (*_PIP, "--target", str(packages), *arguments)
            self._run(f"Installing {self._source()}", argv, self._environment_of_pip())
        (self._code.directory / _INSTALLED).write_text(key)

    def _source(self) -> str:
        return REQUIREMENTS if (self._code.files / REQUIREMENTS).exists() else PYPROJECT

    def _requirements(self) -> tuple[str, tuple[str, ...]]:
        """What is to be installed, and how pip is told."""
        files = self._code.files
        if (files / REQUIREMENTS).is_file():
            return _text(files / REQUIREMENTS), ("-r", REQUIREMENTS)
        if not (files / PYPROJECT).is_file():
            return "", ()
        lines = "\n".join(dependencies(_text(files / PYPROJECT)))
        listed = self._home / REQUIREMENTS
        listed.write_text(lines, "utf-8")
        return lines, ("-r", str(listed))

    def _installed_before(self, key: str) -> Code | None:
        """Other code of the function with the same packages: they are shared, for nobody writes."""
        for code in self._store.everything():
            marker = code.directory / _INSTALLED
            if marker.exists() and marker.read_text() == key and code.packages.is_dir():
                return code
        return None

    def _environment_of_pip(self) -> dict[str, str]:
        """How this edge reaches its package indexes; none of the function's secrets."""
        return {
            name: value
            for name, value in self._means.environ.items()
            if name in ("PATH", "LANG", "TZ")
            or name.startswith(_PIP_SETTINGS)
            or name.lower() in _PROXIES
        }

    def _build(self) -> None:
        self._run("The build", self._recipe.build, self._means.environment)

    def _compile(self) -> None:
        """Once for all starts: the processes cannot write here."""
        argv = (*_PYTHON, "compileall", "-q", str(self._code.files))
        with_packages = (str(self._code.packages),) if self._code.packages.is_dir() else ()
        try:
            self._run("Compiling", (*argv, *with_packages), {})
        except CodeError:
            return  # a module that is not Python need not be imported; the trial says if it is

    def _run(self, what: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> None:
        own = {"HOME": str(self._home), "TMPDIR": str(self._home)}
        owner, timeout = self._means.owner, self._means.timeout
        run(Command(what, argv, self._code.files, {**environment, **own}, owner, timeout))


def _key(slug: str, wanted: str) -> str:
    """Names what is installed for whom and by which Python."""
    return sha256("\0".join((slug, sys.executable, sys.version, wanted)).encode()).hexdigest()


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise CodeError(f"{path.name} is over {_LARGEST // 1024} KiB")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CodeError(f"{path.name} is not UTF-8 at byte {error.start}") from None
