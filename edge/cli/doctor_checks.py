"""What can be wrong with a set-up, and what to type: judged from facts alone. Pure.

Each check is a function of `Facts` that gives what it has to say; none for what it need not judge.
Not here: gathering the facts (`doctor_facts.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from edge.admin.status_operations import EdgeStatus
from edge.code.limits import readable

LEAST_FREE = 100 * 1000 * 1000
"""Bytes of free disk below which writes may soon fail."""

LONGEST_SOCKET = 107
"""Bytes of the path of a Unix socket (unix(7))."""

OWN_DESCRIPTORS = 256
"""Open files of a worker beside its connections, generously."""

CLOCK_BEHIND = 60.0
"""Seconds that the machine's clock may be behind the store's."""

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the data directory.

    Attributes:
        mode: its permissions.
        is_ours: whether it belongs to who runs this, or to the directory's owner for root.
        problem: why it cannot be used, or None.
    """

    name: str
    mode: int
    is_ours: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Bind:
    """An address that the edge is to listen on; `problem` is why it cannot, or None."""

    address: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Program:
    """A function that the edge runs.

    Attributes:
        command: its first word.
        is_found: whether there is such a program.
    """

    slug: str
    command: str
    is_found: bool


@dataclass(frozen=True, slots=True)
class Project:
    """A project directory of the settings; `problem` is why it cannot be deployed, or None."""

    directory: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found.

    Attributes:
        directory: the data directory; None for `mode` if it is not there.
        is_writable: whether it, or what it is made in, can be written by who runs this.
        socket: the path of the admin socket, bytes.
        store: why the store cannot be used; empty if it can, None if there is none.
        files: of keys, and the store.
        free: bytes of the disk that this user may still fill.
        clock, store_clock: Unix seconds; the latter None without a store.
        descriptors: open files that a worker may have, at most.
        connections: client connections that a worker is to hold.
        open_binds: addresses that other machines reach, and that are served without TLS.
        public_url: where it is said to be reached.
        status: of the edge that runs; None if none does.
    """

    directory: str
    mode: int | None
    is_ours: bool
    is_writable: bool
    socket: int
    store: str | None
    files: tuple[File, ...]
    free: int
    clock: float
    store_clock: float | None
    descriptors: int
    connections: int
    binds: tuple[Bind, ...]
    open_binds: tuple[str, ...]
    public_url: str | None
    projects: tuple[Project, ...]
    programs: tuple[Program, ...]
    status: EdgeStatus | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has to say.

    Attributes:
        check: which one.
        advice: what to type or to do; None where nothing is wrong.
    """

    check: str
    level: Level
    message: str
    advice: str | None = None


def findings(facts: Facts) -> tuple[Finding, ...]:
    """What every check says, in their order."""
    return tuple(finding for check in CHECKS for finding in check(facts))


def directory(facts: Facts) -> Iterator[Finding]:
    """It is there, its owner's, and nobody else can list it."""
    name, at = "data directory", facts.directory
    if not facts.is_writable and facts.is_ours:
        advice = "mount it writable for the user who runs the edge, or: --data-dir DIR"
        yield Finding(name, "wrong", f"{at} cannot be written", advice)
    elif facts.mode is None:
        yield Finding(name, "ok", f"{at} is made when an edge starts")
    elif not facts.is_ours:
        advice = f"run as the user to whom it belongs, or: chown -R $(id -u) {at}"
        yield Finding(name, "wrong", f"{at} belongs to another user", advice)
    elif facts.mode & 0o066:
        message = f"others can list or change {at} (mode {facts.mode:o})"
        yield Finding(name, "wrong", message, f"chmod go-rw {at}")
    else:
        yield Finding(name, "ok", at)


def files(facts: Facts) -> Iterator[Finding]:
    """Keys and store are readable by their owner alone, and hold what they should."""
    good = 0
    for file in facts.files:
        path = f"{facts.directory}/{file.name}"
        if file.mode & 0o077:
            message = f"others can read {file.name} (mode {file.mode:o})"
            yield Finding("files", "wrong", message, f"chmod 600 {path}")
        elif not file.is_ours:
            message = f"{file.name} belongs to another user"
            yield Finding("files", "wrong", message, f"chown --reference={facts.directory} {path}")
        elif file.problem is not None:
            yield Finding("files", "wrong", file.problem, "jelou restore FILE")
        else:
            good += 1
    if good and good == len(facts.files):
        yield Finding("files", "ok", f"{good} files of store and keys are their owner's alone")


def store(facts: Facts) -> Iterator[Finding]:
    """It can be opened and is whole."""
    if facts.store is None:
        yield Finding("store", "ok", "there is none yet")
    elif facts.store:
        yield Finding("store", "wrong", facts.store, "stop the edge, then: jelou restore FILE")
    else:
        yield Finding("store", "ok", "it can be read, and every page of it is whole")


def disk(facts: Facts) -> Iterator[Finding]:
    """There is room."""
    room = f"{readable(facts.free)} free"
    if facts.free < LEAST_FREE:
        advice = f"make room on the disk that holds {facts.directory}, or move it: --data-dir"
        yield Finding("disk", "wrong", f"only {room}", advice)
    else:
        yield Finding("disk", "ok", room)


def clock(facts: Facts) -> Iterator[Finding]:
    """The machine's clock has not fallen behind what the store has acted upon."""
    if facts.store_clock is None:
        return
    behind = facts.store_clock - facts.clock
    if behind > CLOCK_BEHIND:
        message = (
            f"the machine's clock is {behind / 60:.0f} minutes behind the store's: the store's"
            " stands still until then, and with it expiry and schedules"
        )
        yield Finding("clock", "wrong", message, "set the clock: timedatectl set-ntp true")
    else:
        yield Finding("clock", "ok", "not behind the store's")


def descriptors(facts: Facts) -> Iterator[Finding]:
    """Workers may open as many files as they are to hold connections, on both sides."""
    needed = 2 * facts.connections + OWN_DESCRIPTORS
    if facts.descriptors < needed:
        message = (
            f"a worker may open {facts.descriptors} files, and needs {needed} for"
            f" {facts.connections} connections"
        )
        most = max(1, (facts.descriptors - OWN_DESCRIPTORS) // 2)
        advice = f"ulimit -Hn {needed} (LimitNOFILE= of a unit), or --max-connections {most}"
        yield Finding("descriptors", "warning", message, advice)
    else:
        yield Finding("descriptors", "ok", f"a worker may open {facts.descriptors} files")


def socket(facts: Facts) -> Iterator[Finding]:
    """The admin socket's path fits."""
    if facts.socket > LONGEST_SOCKET:
        message = f"the path of admin.sock has {facts.socket} bytes; {LONGEST_SOCKET} is the most"
        yield Finding("admin socket", "wrong", message, "choose a shorter one: --data-dir DIR")


def binds(facts: Facts) -> Iterator[Finding]:
    """Addresses can be listened on, where no edge of this directory does."""
    for bind in facts.binds:
        if bind.problem is not None:
            yield Finding("address", "wrong", bind.problem, "jelou serve --bind 127.0.0.1:0")
        else:
            yield Finding("address", "ok", f"{bind.address} can be listened on")


def exposure(facts: Facts) -> Iterator[Finding]:
    """Tokens that come from other machines are not sent in plain text, and these know the way."""
    for address in facts.open_binds:
        if facts.public_url is None:
            message = f"callers of {address} are told addresses that only this machine reaches"
            yield Finding("exposure", "warning", message, "--public-url https://NAME")
        if facts.public_url is None or facts.public_url.startswith("http:"):
            message = f"{address} takes tokens from other machines in plain text"
            advice = (
                "--certfile and --keyfile, or a proxy with TLS and its --public-url https://NAME"
            )
            yield Finding("exposure", "warning", message, advice)


def projects(facts: Facts) -> Iterator[Finding]:
    """Project directories of the settings can be deployed."""
    for project in facts.projects:
        if project.problem is not None:
            message = f"{project.directory}: {project.problem}"
            advice = f"jelou deploy {project.directory} --dry-run"
            yield Finding("project", "wrong", message, advice)
        else:
            yield Finding("project", "ok", project.directory)


def programs(facts: Facts) -> Iterator[Finding]:
    """What functions are started with is there."""
    for program in facts.programs:
        if not program.is_found:
            message = f"{program.slug} is started with {program.command}, which is not on the PATH"
            advice = f"install {program.command}, or start the edge with it on its PATH"
            yield Finding("program", "wrong", message, advice)


def edge(facts: Facts) -> Iterator[Finding]:
    """Every worker answers and is up to date."""
    status = facts.status
    if status is None:
        yield Finding("edge", "ok", "none is running; start it with: jelou serve")
        return
    for slot in status.silent:
        message = f"worker {slot} does not answer"
        yield Finding("edge", "wrong", message, "jelou status, and look at what the edge writes")
    late = [worker for worker in status.workers if worker.generation < status.generation]
    for worker in late:
        message = f"worker {worker.slot} has not taken up the store's last changes"
        yield Finding("edge", "wrong", message, "look at what the edge writes, then restart it")
    if not (status.silent or late):
        yield Finding("edge", "ok", f"{len(status.workers)} workers answer and are up to date")


def functions(facts: Facts) -> Iterator[Finding]:
    """Those that the edge runs stay up."""
    for failing in facts.status.failing if facts.status is not None else ():
        reason = f": {failing.reason}" if failing.reason else ""
        message = f"{failing.slug} is {failing.state}{reason}"
        yield Finding("function", "wrong", message, f"jelou logs {failing.slug}")


CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    directory,
    files,
    store,
    disk,
    clock,
    descriptors,
    socket,
    binds,
    exposure,
    projects,
    programs,
    edge,
    functions,
)
