"""What the descriptors of another process are, not only how many. Reads /proc alone."""

from contextlib import suppress
from pathlib import Path


def open_files(pid: int) -> list[str]:
    """What each descriptor is: a path, or `socket:[…]` and the like."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            found.append(str(descriptor.readlink()))
    return found


def sockets(pid: int) -> int:
    """How many descriptors are sockets."""
    return sum(name.startswith("socket:") for name in open_files(pid))
