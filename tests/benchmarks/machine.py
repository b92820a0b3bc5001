"""What Linux tells of the processes under load: their tree, their CPU time, their memory."""

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.whole_processes import children, forget_peak, memory

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPUS = frozenset(CPUS[:1])
LOAD_CPUS = frozenset(CPUS[1:2] or CPUS[:1])
"""One CPU for the server, the next for load and upstream, so that neither steals the other's."""


@contextmanager
def pinned(cpus: Iterable[int]) -> Iterator[None]:
    """Run on these CPUs, and start programs that do, for as long as the block lasts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, as they live now."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            found += children(each)
    return found


def cpu_nanoseconds(pids: Iterable[int]) -> int:
    """CPU time that all threads of these processes have had (schedstat, proc(5))."""
    return sum(_cpu_of(pid) for pid in pids)


def _cpu_of(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            total += on_cpu((task / "schedstat").read_text())
    return total


def on_cpu(schedstat: str) -> int:
    """Nanoseconds on a CPU: the first of the three numbers of a `schedstat` file."""
    return int(schedstat.split(maxsplit=1)[0])


def resident(pids: Iterable[int]) -> int:
    """Resident memory of these processes, bytes; a page that several share counts for each."""
    return sum(memory(pid)[0] for pid in pids)


def peak_resident(pids: Iterable[int]) -> int:
    """The sum of their peaks since `forget_peaks`, bytes."""
    return sum(memory(pid)[1] for pid in pids)


def forget_peaks(pids: Iterable[int]) -> None:
    """Let the peaks of memory start anew."""
    for pid in pids:
        forget_peak(pid)


def describe() -> dict[str, str]:
    """The machine, as a reader of the figures needs to know it."""
    return {
        "cpu": _cpu_model(),
        "cpus": str(len(CPUS)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _system(),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    return "unknown"
