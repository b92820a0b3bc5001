"""Units as systemd reads them: settings in their order, lists that an empty value begins anew."""

import subprocess
from pathlib import Path

from tests.support.tools import tool

LISTS = ("CapabilityBoundingSet", "Environment", "ListenStream", "SystemCallFilter")


class Unit:
    """The settings of a unit and of the drop-ins that come after it."""

    def __init__(self, *files: Path) -> None:
        self._values: dict[str, list[str]] = {}
        for file in files:
            for line in file.read_text("utf-8").splitlines():
                if "=" in line and not line.startswith("#"):
                    self._take(*line.split("=", 1))

    def _take(self, name: str, value: str) -> None:
        if name in LISTS and value:
            self._values.setdefault(name, []).append(value)
        else:
            self._values[name] = [value] if value else []

    def __getitem__(self, name: str) -> str:
        return self._values[name][-1]

    def all(self, name: str) -> list[str]:
        """Every value of a setting that is a list."""
        return self._values.get(name, [])

    def capabilities(self) -> tuple[int, ...]:
        """The numbers of those that it may have."""
        names = " ".join(self.all("CapabilityBoundingSet")).lower().split()
        if not names:
            return ()
        listed = _said("capability", *names).splitlines()[1:]
        return tuple(int(line.split()[1]) for line in listed)

    def calls(self) -> tuple[str, ...]:
        """The system calls that it may make."""
        allowed: set[str] = set()
        for value in self.all("SystemCallFilter"):
            names = {call for name in value.removeprefix("~").split() for call in _calls(name)}
            allowed = allowed - names if value.startswith("~") else allowed | names
        return tuple(sorted(allowed))


def _calls(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    lines = (line.strip() for line in _said("syscall-filter", name).splitlines()[1:])
    inner = [line for line in lines if line and not line.startswith("#")]
    return {call for each in inner for call in _calls(each)}


def _said(*arguments: str) -> str:
    words = [tool("systemd-analyze"), "--no-pager", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
