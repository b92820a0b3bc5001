"""What Linux tells of other processes: their children, memory and sockets. Reads /proc alone."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SECONDS = 15.0


def eventually(reached: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until something that another process brings about is so; AssertionError if not."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not so within {seconds} s: {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended (a zombie has)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def bearing(entry: str) -> list[int]:
    """The processes that live and were started with this in their environment (`NAME=value`)."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if entry.encode() in entries and is_alive(pid):
                found.append(pid)
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return sorted(child for child in found if is_alive(child))


def command_of(pid: int) -> str:
    """A process's arguments as one text; empty if it has gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def forget_peak(pid: int) -> None:
    """Have the kernel count a process's peak of memory anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory(pid: int) -> tuple[int, int]:
    """A process's resident memory, bytes: now, and at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def descriptors(pid: int) -> int:
    """How many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def settled(value: Callable[[], int], seconds: float = 0.5) -> int:
    """What a number comes to once it has stood still for a while."""
    seen, since = value(), time.monotonic()

    def stands() -> bool:
        nonlocal seen, since
        if (now := value()) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > seconds

    eventually(stands, "the number stands still")
    return seen


def owner_of(client_port: int, server_port: int, pids: list[int]) -> int | None:
    """Which process holds the server's end of a loopback connection; None if it is in no hands."""
    inode = _inode(client_port, server_port)
    for pid in pids if inode != "0" else []:
        with suppress(OSError):
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if os.readlink(f"/proc/{pid}/fd/{descriptor}") == f"socket:[{inode}]":
                        return pid
    return None


def _inode(client_port: int, server_port: int) -> str:
    local, remote = f"0100007F:{server_port:04X}", f"0100007F:{client_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == local and fields[2] == remote:
            return fields[9]
    return "0"
