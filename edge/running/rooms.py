"""Where each process may listen and write: a directory of its own, gone with it.

The path of a Unix socket has at most 107 bytes (unix(7)), so directories lie in the data directory
only where that is short, and where the processes' user can reach them.
"""

import os
import secrets
import shutil
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from edge.running import system
from edge.running.launch import Place
from edge.running.users import User

LONGEST_SOCKET = 107
DIRECTORY = "run"

OWNERS = ("", "turn 1")
"""Whose processes those of an edge are, by its turn (`Config.turn`)."""

_SOCKET = "s"
_ROOM = len("/01234567/s")


def mark_of(data_dir: Path, owner: str = "") -> str:
    """What the ids of all instances of a data directory begin with; see `Rooms`."""
    seed = f"{data_dir.resolve()}\0{os.geteuid()}\0{owner}"
    return sha256(seed.encode()).hexdigest()[:12]


class Rooms:
    """The directories of the processes of one data directory.

    Attributes:
        mark: what the ids of all its instances begin with.
    """

    def __init__(self, data_dir: Path, owner: str = "") -> None:
        """Make the directory that holds them all.

        Args:
            owner: sets those of another program on the same data directory apart.

        Raises:
            OSError: it cannot be made, or another user holds its name.
        """
        self.mark = mark_of(data_dir, owner)
        self._base = self._made(data_dir, bool(owner) or os.geteuid() == 0)
        self._ports: dict[str, int] = {}

    def _made(self, data_dir: Path, elsewhere: bool) -> Path:
        base = data_dir.resolve() / DIRECTORY
        if elsewhere or len(os.fsencode(base)) + _ROOM > LONGEST_SOCKET:
            base = Path(tempfile.gettempdir()).resolve() / f"jelou-{self.mark}"
        base.mkdir(mode=0o711, exist_ok=True)
        found = base.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise PermissionError(1, f"{base} belongs to somebody else; remove it")
        base.chmod(0o711)
        return base

    def name(self) -> str:
        """An id for an instance."""
        return f"{self.mark}.{secrets.token_hex(4)}"

    def make(self, instance: str, user: User | None) -> Place:
        """The place of an instance. Raises OSError."""
        room = self._path(instance)
        home = room / "home"
        for path in (room, home):
            path.mkdir(mode=0o700)
            if user is not None:
                os.chown(path, user.uid, user.gid)
        port = system.free_port()
        while port in self._ports.values():
            port = system.free_port()
        self._ports[instance] = port
        return Place(room / _SOCKET, port, home)

    def remove(self, instance: str) -> None:
        """Remove an instance's directory with all that is in it."""
        self._ports.pop(instance, None)
        shutil.rmtree(self._path(instance), ignore_errors=True)

    def clear(self) -> None:
        """Remove what a killed program left."""
        for name in os.listdir(self._base):
            shutil.rmtree(self._base / name, ignore_errors=True)

    def close(self) -> None:
        """Remove the directory of all."""
        shutil.rmtree(self._base, ignore_errors=True)

    def _path(self, instance: str) -> Path:
        return self._base / instance.rpartition(".")[2]
