"""The facts that `jelou doctor` judges, gathered from this machine."""

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.admin.errors import AdminError
from edge.admin.operations import Operations
from edge.admin.status_operations import EdgeStatus
from edge.cli.doctor_checks import Bind, Facts, File, Program, Project
from edge.cli.project_files import read_project
from edge.config import ADMIN_SOCKET, Config
from edge.config_loading import is_loopback
from edge.cron.signing_secrets import KEYS as CRON_KEYS
from edge.keys import KeysError, load
from edge.project_file.parse import parse_project
from edge.secrets.store import KEYS as SECRET_KEYS
from edge.server.sockets import BindError, check_free
from edge.state.kept import SEALING_KEYS, SESSION_KEYS
from tokens.copies import stand_of
from tokens.database import FILE
from tokens.errors import StoreError

MOST_FUNCTIONS = 200
"""Functions whose programs are looked for."""

_KEYS = (SESSION_KEYS, SEALING_KEYS, SECRET_KEYS, CRON_KEYS)

Ask = Callable[[], Operations]
"""Gives the operations of the edge, or of its store; raises AdminError."""


def gather(config: Config, ask: Ask) -> Facts:
    """Look at everything."""
    directory = config.data_dir.absolute()
    owner = directory.stat().st_uid if directory.is_dir() else os.geteuid()
    files = tuple(_files(directory, owner))
    problem, clock = _store(directory)
    operations, status = None, None
    are_private = not any(file.mode & 0o077 for file in files)
    if problem == "" and are_private:  # to open a store would mend its mode
        operations, status, problem = _asked(ask)
    running = status if status is not None and status.running else None
    return Facts(
        directory=str(directory),
        mode=directory.stat().st_mode & 0o777 if directory.is_dir() else None,
        is_ours=os.geteuid() in (0, owner),
        is_writable=os.access(_nearest(directory), os.W_OK | os.X_OK),
        socket=len(os.fsencode(directory / ADMIN_SOCKET)),
        store=problem,
        files=files,
        free=shutil.disk_usage(_nearest(directory)).free,
        clock=time.time(),
        store_clock=clock,
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        connections=config.max_connections,
        binds=() if running is not None else tuple(map(_bind, config.bind)),
        open_binds=() if config.certfile else tuple(b for b in config.bind if not is_loopback(b)),
        public_url=config.public_url,
        projects=tuple(_project(each, config) for each in config.project),
        programs=tuple(_programs(operations)) if operations is not None else (),
        status=running,
    )


def _store(directory: Path) -> tuple[str | None, float | None]:
    """What is wrong with the store (empty: nothing; None: it is not there), and its clock."""
    try:
        if not (directory / FILE).exists():
            return None, None
        return "", stand_of(directory / FILE).clock
    except (StoreError, OSError) as error:
        return str(error), None


def _asked(ask: Ask) -> tuple[Operations | None, EdgeStatus | None, str]:
    """The operations, what they say of the edge, and why they cannot be had."""
    try:
        operations = ask()
        return operations, operations.status(), ""
    except AdminError as error:
        return None, None, error.message


def _files(directory: Path, owner: int) -> Iterator[File]:
    for name in (FILE, *_KEYS):
        path = directory / name
        try:
            found = path.stat()
        except OSError:
            continue
        is_ours = found.st_uid in (owner, 0)
        problem = _key_problem(path) if name in _KEYS else None
        yield File(name, found.st_mode & 0o777, is_ours, problem)


def _key_problem(path: Path) -> str | None:
    try:
        load(path)
    except KeysError as error:
        return str(error)
    return None


def _bind(address: str) -> Bind:
    try:
        check_free(address)
    except BindError as error:
        return Bind(address, str(error))
    return Bind(address, None)


def _project(directory: Path, config: Config) -> Project:
    try:
        found = parse_project(read_project(directory).text, max_timeout=config.max_timeout)
    except AdminError as error:
        return Project(str(directory), error.message)
    problems = [f"{problem.key}: {problem.message}" for problem in found.problems]
    return Project(str(directory), "; ".join(problems) or None)


def _programs(operations: Operations) -> Iterator[Program]:
    for summary in operations.functions()[:MOST_FUNCTIONS]:
        run = operations.function(summary.slug).run
        if run is not None and "/" not in run.command[0]:
            command = run.command[0]
            yield Program(summary.slug, command, _is_found(command))


def _is_found(command: str) -> bool:
    """An entrypoint is run by this very Python."""
    return command == "python" or shutil.which(command) is not None


def _nearest(directory: Path) -> Path:
    """The directory, or the first one above it that is there."""
    return next(path for path in (directory, *directory.parents) if path.is_dir())
