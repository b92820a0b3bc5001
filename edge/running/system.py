"""What Linux tells of processes, and how they are ended by force. Reads /proc.

Not here: which processes belong to whom by the rules of the edge (`edge/running/family.py`).
"""

import ctypes
import os
import re
import resource
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

RLIMIT_RTTIME = 15

_LISTEN = "0A"
_FLAGS = 5
"""Of the fields of /proc/PID/stat behind the state (proc(5))."""

_EXITING = 0x4
"""`PF_EXITING` of `linux/sched.h`: set before a process that ends closes its files."""

_MARK = re.compile(rb"Max realtime timeout +(\d+) ")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Seen:
    """One process as /proc/PID/stat shows it (proc(5)).

    Attributes:
        memory: bytes resident.
        started: clock ticks since boot: with the pid it names one process for ever.
    """

    pid: int
    parent: int
    group: int
    session: int
    memory: int
    started: int
    is_zombie: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may take.

    Attributes:
        descriptors: open files (RLIMIT_NOFILE).
        processes: of its user (RLIMIT_NPROC), or None for what the edge itself may.
        mark: a number that its descendants have too, whatever they make of themselves.
    """

    descriptors: int
    processes: int | None
    mark: int


def become_subreaper() -> None:
    """Have orphans among the descendants come to this process (prctl(2))."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def in_child(limits: Limits) -> Callable[[], None]:
    """What a new process does before its program begins: it ends with its parent, within limits."""
    parent = os.getpid()

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _lower(resource.RLIMIT_NOFILE, limits.descriptors)
        # It bounds real-time scheduling alone, is inherited, and can be read: it bears the mark.
        _lower(RLIMIT_RTTIME, limits.mark)
        if limits.processes is not None:
            _lower(resource.RLIMIT_NPROC, limits.processes)

    return prepare


def _lower(which: int, wanted: int) -> None:
    _, hard = resource.getrlimit(which)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (most, most))


class Table:
    """The processes there were at one moment.

    Attributes:
        seen: each by its pid.
    """

    def __init__(self, seen: Iterable[Seen]) -> None:
        self.seen = {one.pid: one for one in seen}
        self._of_group: dict[int, set[int]] = {}
        self._children: dict[int, set[int]] = {}
        for one in self.seen.values():
            self._children.setdefault(one.parent, set()).add(one.pid)
            for leader in {one.group, one.session}:
                self._of_group.setdefault(leader, set()).add(one.pid)

    @classmethod
    def read(cls) -> Self:
        """As it is now."""
        return cls(filter(None, (_seen(name) for name in os.listdir("/proc") if name.isdigit())))

    def led_by(self, leader: int) -> set[int]:
        """Those whose group or session it leads, and itself."""
        return self._of_group.get(leader, set()) | ({leader} & self.seen.keys())

    def children(self, pid: int) -> set[int]:
        """Those that it started, or that came to it as orphans."""
        return self._children.get(pid, set())

    def below(self, roots: Iterable[int]) -> set[int]:
        """All descendants of these."""
        found: set[int] = set()
        waiting = list(roots)
        while waiting:
            new = self.children(waiting.pop()) - found
            found |= new
            waiting += new
        return found


def _seen(pid: str) -> Seen | None:
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
        parent, group, session, started = (int(fields[index]) for index in (1, 2, 3, 19))
        memory, ended = int(fields[21]) * _PAGE, fields[0] in (b"Z", b"X")
        return Seen(int(pid), parent, group, session, memory, started, ended)
    return None


def is_exiting(pid: int) -> bool:
    """Whether a process runs nothing of its program any more: it closes its files, or is dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return True
    return state in b"ZX" or bool(int(fields[_FLAGS]) & _EXITING)


def memory_of(pid: int) -> int:
    """Resident memory of a process, bytes; 0 if it is gone, or where there is no /proc."""
    seen = _seen(str(pid))
    return 0 if seen is None else seen.memory


def mark_of(pid: int) -> int:
    """The mark of a process (see `Limits`); 0 if it has none or is gone."""
    with suppress(OSError), open(f"/proc/{pid}/limits", "rb") as file:
        found = _MARK.search(file.read())
        return int(found[1]) if found else 0
    return 0


def environment_holds(pid: int, entry: bytes) -> bool:
    """Whether a process was started with an environment entry that begins so (`NAME=value`)."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return any(line.startswith(entry) for line in file.read().split(b"\0"))
    return False


def kill(seen: Iterable[Seen], *groups: int) -> None:
    """SIGKILL each that is still there, and whole groups: theirs, and these.

    No process forks away from the end of its group, however fast; one that does so all the time is
    seldom seen alive, but its zombies are. None of them may be in a group with anybody else who is
    to live.
    """
    seen = list(seen)
    for group in {one.group for one in seen}.union(groups) - {os.getpgrp()}:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for one in seen:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(one.pid, signal.SIGKILL)


def reap(pids: Iterable[int]) -> None:
    """Take note of the end of each child among them that has ended."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def listens(port: int, pids: Iterable[int]) -> bool:
    """Whether one of these processes is who listens on a local TCP port."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listeners(table, port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return bool(wanted) and any(_holds(pid, wanted) for pid in pids)


def _listeners(table: str, port: int) -> list[str]:
    with suppress(OSError), open(f"/proc/net/{table}") as file:
        rows = [line.split() for line in file.read().splitlines()[1:]]
        suffix = f":{port:04X}"
        return [row[9] for row in rows if row[3] == _LISTEN and row[1].endswith(suffix)]
    return []


def _holds(pid: int, wanted: set[str]) -> bool:
    directory = f"/proc/{pid}/fd"
    with suppress(OSError):
        for descriptor in os.listdir(directory):
            with suppress(OSError):
                if os.readlink(f"{directory}/{descriptor}") in wanted:
                    return True
    return False
