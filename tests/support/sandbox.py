"""A program held to what a service manager or a container engine would hold it to. Linux, as root.

Started as `python -m tests.support.sandbox RULES -- COMMAND…`, it gives itself a machine that is
read-only but for the directories named, drops what it may not do, and becomes the command. The
mounts are its own alone; nobody else sees them.
"""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNS = 0x00020000
_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1
_TEMPORARY = "/var/tmp"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Rules:
    """What the program may do.

    Attributes:
        uid: who it is, user and group.
        writable: directories, besides one of its own for temporary files.
        capabilities: numbers of those that it may ever have.
        calls: names of the system calls that it may make; empty for all.
    """

    uid: int
    writable: tuple[str, ...]
    capabilities: tuple[int, ...] = ()
    calls: tuple[str, ...] = ()
    umask: int = 0o022

    def words(self) -> list[str]:
        """What stands in front of the command's own words."""
        given = json.dumps(asdict(self))
        return [sys.executable, "-m", "tests.support.sandbox", given, "--"]


def main(arguments: Sequence[str]) -> None:
    """Hold this process to the rules, and become the command."""
    rules = Rules(**json.loads(arguments[0]))
    command = arguments[2:]
    _make_read_only(rules.writable)
    allowed = _loaded(rules.calls) if rules.calls else None
    last = int(_read("/proc/sys/kernel/cap_last_cap"))
    for capability in set(range(last + 1)) - set(rules.capabilities):
        _checked(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    os.setgroups([])
    os.setresgid(rules.uid, rules.uid, rules.uid)
    os.setresuid(rules.uid, rules.uid, rules.uid)
    os.umask(rules.umask)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if allowed is not None:
        library, context = allowed
        _checked(library.seccomp_load(context))
    os.execvpe(command[0], command, {**os.environ, "TMPDIR": _TEMPORARY})


def _make_read_only(writable: Sequence[str]) -> None:
    _checked(_libc.unshare(_CLONE_NEWNS))
    _mount("--make-rprivate", "/")  # first of all: nothing below may reach another's mounts
    for directory in writable:
        _mount("--bind", directory, directory)
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", _TEMPORARY)
    _mount("-o", "remount,bind,ro", "/")


def _loaded(calls: Sequence[str]) -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """A filter that lets these calls through, and answers EPERM to others (seccomp_init(3))."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_EPERM)))
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            _checked(library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0))
    return library, context


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _checked(status: int) -> None:
    if status < 0:
        raise OSError(ctypes.get_errno(), "this system does not hold it to that")


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


if __name__ == "__main__":
    main(sys.argv[1:])
