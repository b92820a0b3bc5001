"""What one process of a function is started with: its program and its whole environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.functions import Run

MARKER = "JELOU_PROCESS"
"""The variable by which the processes of an instance are found again."""

INHERITED = ("PATH", "LANG", "TZ")
"""Variables of the edge that a function sees; no other one is passed on."""

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Code:
    """A function's files, in place and built.

    Attributes:
        directory: its own files; processes start there.
        packages: what was installed for it, or None.
    """

    directory: Path
    packages: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process may listen and write.

    Attributes:
        home: a directory of its own, gone with it.
    """

    socket: Path
    port: int
    home: Path


@dataclass(frozen=True, slots=True)
class Named:
    """What a process is told that it is.

    Attributes:
        url: the function's published address.
    """

    slug: str
    deployment: str
    instance: str
    url: str


@dataclass(frozen=True, slots=True)
class Python:
    """What runs an `entrypoint`.

    Attributes:
        program: the interpreter.
        root: the directory that holds the package `edge`.
    """

    program: str
    root: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to be started.

    Attributes:
        environment: all of it; it holds secrets.
    """

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(repr=False)


def launch(
    run: Run,
    named: Named,
    code: Code,
    place: Place,
    python: Python,
    secrets: Mapping[str, str],
    environ: Mapping[str, str],
) -> Launch:
    """What is started.

    Args:
        secrets: of the function; what the edge says itself wins over them.
        environ: of the edge: `INHERITED` is taken from it.
    """
    environment = environment_of(named.slug, named.url, secrets, environ) | {
        "PORT": str(place.port),
        "HOST": HOST,
        "LISTEN_SOCKET": str(place.socket),
        "JELOU_DEPLOYMENT": named.deployment,
        "HOME": str(place.home),
        "TMPDIR": str(place.home),
        MARKER: named.instance,
    }
    if run.command:
        return Launch(run.command, code.directory, environment)
    paths = [code.directory, *([code.packages] if code.packages else []), python.root]
    environment["PYTHONPATH"] = ":".join(map(str, paths))
    environment["JELOU_SECRETS"] = ",".join(secrets)
    argv = (python.program, "-P", "-m", "edge.sdk.serving", run.entrypoint)
    return Launch(argv, code.directory, environment)


def environment_of(
    slug: str, url: str, secrets: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """What all that runs for a function sees, its build too; see `launch` for the arguments."""
    inherited = {name: environ[name] for name in INHERITED if name in environ}
    said = {"JELOU_FUNCTION": slug, "JELOU_URL": url, "PYTHONUNBUFFERED": "1"}
    return {**inherited, **secrets, **said}
