"""A second network with a bad line to it: a network namespace, and a cable that loses and delays.

The cable's ends are TUN devices, and a thread carries packets between them, so that no traffic
control of the kernel is needed; root, iproute2 and `/dev/net/tun` are. Threads of the test move
into the namespace: a function or callers of the test are at its far end, an edge is at this one.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

NEAR, FAR = "198.18.77.1", "198.18.77.2"  # of the block for tests of networks (RFC 2544)

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x1001
LARGEST = 65_536
"""Bytes of a packet, at most."""


@dataclass
class Line:
    """The cable.

    Attributes:
        name: of the namespace at the far end.
        loss: share of the packets that are lost, in either direction.
        delay: seconds that a packet takes.
        carried, lost: packets so far.
    """

    name: str
    loss: float = 0.0
    delay: float = 0.0
    carried: int = 0
    lost: int = 0
    _ends: tuple[int, ...] = ()
    _over: threading.Event = field(default_factory=threading.Event)

    def at_the_far_end(self, run: Callable[[], None]) -> threading.Thread:
        """Run something in a thread there; its own threads and sockets are there too."""

        def move_and_run() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = os.open(Path("/run/netns") / self.name, os.O_RDONLY)
            try:
                if libc.setns(descriptor, 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            run()

        thread = threading.Thread(target=move_and_run, daemon=True)
        thread.start()
        return thread

    def lay(self) -> None:
        """Make both ends, with their addresses."""
        far: list[int] = []
        self.at_the_far_end(lambda: far.append(_tun("far"))).join(10)
        self._ends = (_tun(self.name), *far)
        for where, device, own, other in (
            ((), self.name, NEAR, FAR),
            (("-n", self.name), "far", FAR, NEAR),
        ):
            _run("ip", *where, "address", "add", own, "peer", other, "dev", device)
            _run("ip", *where, "link", "set", device, "up")

    def carry(self) -> None:
        """Carry packets until the line is over."""
        chance, numbers = random.Random(6), count()
        waiting: list[tuple[float, int, int, bytes]] = []
        others = dict(zip(self._ends, reversed(self._ends), strict=True))
        while not self._over.is_set():
            left = waiting[0][0] - time.monotonic() if waiting else 0.05
            for end in select.select(self._ends, (), (), min(max(left, 0), 0.05))[0]:
                packet = os.read(end, LARGEST)
                if chance.random() < self.loss:
                    self.lost += 1
                else:
                    due = time.monotonic() + self.delay
                    heapq.heappush(waiting, (due, next(numbers), others[end], packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, end, packet = heapq.heappop(waiting)
                self.carried += 1
                with suppress(BlockingIOError):
                    os.write(end, packet)

    def cut(self, carrying: threading.Thread) -> None:
        """Take the cable away from the thread that carries its packets."""
        self._over.set()
        carrying.join(10)
        for end in self._ends:
            os.close(end)


def why_not() -> str | None:
    """Why there can be no such line here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip(8) is not installed"
    if not TUN.exists():
        return f"there is no {TUN}"
    try:
        with line():
            return None
    except subprocess.CalledProcessError as error:
        return f"no network namespace can be made: {error.stderr.strip()}"
    except OSError as error:
        return f"no TUN device can be made: {error}"


@contextmanager
def line() -> Iterator[Line]:
    """Lay a line, without any harm on it; it is gone at the end."""
    made = Line(f"jl{os.getpid() % 100_000}")
    _run("ip", "netns", "add", made.name)
    try:
        made.lay()
        carrying = threading.Thread(target=made.carry, daemon=True)
        carrying.start()
        try:
            yield made
        finally:
            made.cut(carrying)
    finally:
        _run("ip", "netns", "delete", made.name)


def _tun(name: str) -> int:
    """A TUN device in the namespace of this thread."""
    end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return end


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
