"""A real edge in its own process, with a real function deployed behind it.

Everything goes through the ``jelou`` program, as a user's hands would.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import JELOU, ROOT, Program, run, started

PYTHON_FUNCTION = ROOT / "examples" / "python-function"
NODE_FUNCTION = ROOT / "examples" / "node-function"
FUNCTION_READY = "Function ready on "
EDGE_READY = "Edge ready on "


@dataclass(frozen=True, slots=True)
class RunningEdge:
    """An edge that serves one function, and how to reach both."""

    program: Program
    data_dir: Path
    address: str  # http://127.0.0.1:PORT
    slug: str
    url: str  # of the function
    mcp_url: str
    token: str = field(repr=False)

    def jelou(self, *arguments: str) -> Any:
        """Run a command against this edge; return its ``data``."""
        return jelou(self.data_dir, *arguments)


def jelou(data_dir: Path, *arguments: str) -> Any:
    """Run a ``jelou`` command with ``--json``; return its ``data``, or fail with its words."""
    command = [*JELOU, *arguments, "--data-dir", str(data_dir), "--json", "--no-input"]
    done = run(command, env=isolated(data_dir))
    assert done.returncode == 0, f"jelou {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)["data"]


def isolated(data_dir: Path) -> dict[str, str]:
    """Return an environment in which no settings of the user's own are found."""
    home = str(data_dir.parent)
    return {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}


@contextmanager
def running_function(*runner: str, socket: Path | None = None) -> Iterator[str]:
    """Start an example function on a free port or a Unix socket; yield its address."""
    command = runner or (sys.executable, str(PYTHON_FUNCTION / "app.py"))
    env = {"SOCKET": str(socket)} if socket else {"PORT": "0"}
    with started(command, FUNCTION_READY, env=env) as program:
        yield program.address


def project(example: Path, upstream: str, folder: Path) -> Path:
    """Write an example's project file, naming where the example listens now."""
    settings = json.loads((example / "jelou.json").read_text("utf-8"))
    folder.mkdir()
    (folder / "jelou.json").write_text(json.dumps(settings | {"upstream": upstream}), "utf-8")
    return folder


@contextmanager
def running_edge(
    base: Path, *, workers: int = 1, flags: tuple[str, ...] = ()
) -> Iterator[RunningEdge]:
    """Start the Python example function and an edge before it; yield how to reach both.

    ``base`` is an empty folder for the data directory and the project file.
    """
    data_dir = base / "data"
    serve = [*JELOU, "serve", "--bind", "127.0.0.1:0", "--workers", str(workers), *flags]
    with (
        running_function() as upstream,
        started(
            [*serve, "--data-dir", str(data_dir)], EDGE_READY, env=isolated(data_dir)
        ) as program,
    ):
        folder = project(PYTHON_FUNCTION, upstream, base / "project")
        deployed = jelou(data_dir, "deploy", str(folder))
        yield RunningEdge(
            program=program,
            data_dir=data_dir,
            address=program.address,
            slug=deployed["function"],
            url=deployed["url"],
            mcp_url=deployed["mcpUrl"],
            token=deployed["token"],
        )
