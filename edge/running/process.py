"""One process of a function: started alone in a session of its own, and ended with all its kin.

Its zombie is kept until everything that came of it is gone, so that its number stays its own. Not
here: when it is ready (`readiness`), and what it is started for (`instance`).
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO

from edge.exits import signal_name
from edge.running import system
from edge.running.family import Family
from edge.running.launch import MARKER, Launch
from edge.running.output import Pipe, Stream, Tail
from edge.running.users import User

LAST_WORDS = 0.25
"""Seconds that output may take to arrive after a process has ended."""


class CannotStart(Exception):
    """The system does not start it; the text says why."""


class Process:
    """A process that has been started.

    Attributes:
        pid: of the process itself, the leader of its group and session.
        tail: the end of its output.
        exited: set when the process itself has ended, whatever else is left.
    """

    def __init__(self, launch: Launch, user: User | None, limits: system.Limits) -> None:
        """Start it; `read` is due then.

        Args:
            user: who it runs as, or None for the edge's own user.

        Raises:
            CannotStart: there is no such program, or it may not be run.
        """
        self._popen = _spawn(launch, user, limits)
        self.pid = self._popen.pid
        self.tail = Tail()
        self.exited = asyncio.Event()
        self.family = Family(self.pid, launch.environment[MARKER])
        self._code: int | None = None
        self._pipes: list[tuple[Pipe, asyncio.ReadTransport]] = []
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._on_exit)

    async def read(self, take: Callable[[Stream, bytes], None]) -> None:
        """Have its output handed on as it comes."""
        assert self._popen.stdout is not None  # noqa: S101 — pipes were asked for
        assert self._popen.stderr is not None  # noqa: S101
        await self._read(self._popen.stdout, "stdout", take)
        await self._read(self._popen.stderr, "stderr", take)

    @property
    def is_ending(self) -> bool:
        """Whether the process itself has ended, or is on its way through the kernel to its end."""
        return self.exited.is_set() or system.is_exiting(self.pid)

    @property
    def how(self) -> str:
        """How it ended, as the rest of a sentence."""
        code = self._code or 0
        if code >= 0:
            return f"ended with exit status {code}"
        return f"was ended by {signal_name(-code)}"

    async def end(self, timeout: float) -> None:
        """End it and all that came of it: SIGTERM, and after `timeout` seconds SIGKILL."""
        if not self.exited.is_set() and timeout > 0:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.exited.wait()
        await self.family.kill()
        await self.last_words()
        self._close()

    async def last_words(self) -> None:
        """Wait until its output has been read: not for long, as forks may hold the pipes open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self.exited.wait()
                for pipe, _ in self._pipes:
                    await pipe.ended.wait()

    def _close(self) -> None:
        for _, transport in self._pipes:
            transport.close()
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        system.reap((self.pid,))
        self._popen.returncode = self._code or 0

    def _on_exit(self) -> None:
        """The pidfd is readable: the process is a zombie, and is left one for now."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        with suppress(ChildProcessError):
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                by_itself = found.si_code == os.CLD_EXITED
                self._code = found.si_status if by_itself else -found.si_status
        self.exited.set()

    async def _read(
        self, pipe: IO[bytes], stream: Stream, take: Callable[[Stream, bytes], None]
    ) -> None:
        def came(data: bytes) -> None:
            self.tail.add(data)
            take(stream, data)

        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(
            partial(Pipe, came), pipe
        )
        self._pipes.append((protocol, transport))


def _spawn(launch: Launch, user: User | None, limits: system.Limits) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            launch.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=launch.directory,
            env=dict(launch.environment),
            start_new_session=True,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=() if user else None,
            umask=0o077,
            preexec_fn=system.in_child(limits),  # noqa: PLW1509 — it takes no lock
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise CannotStart(_why(launch, error)) from None


def _why(launch: Launch, error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and launch.directory.is_dir():
        return f"There is no program {launch.argv[0]} (looked for in PATH)"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"The program {launch.argv[0]} cannot be started: {reason}"
