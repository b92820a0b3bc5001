"""A Containerfile carried out without a container engine: stage by stage, line by line. As root.

In the place of the base image is this machine's own root, which overlayfs (its upper layers in
memory) keeps as it is: whatever a line changes is in the image alone. Mounts, processes and network
are in namespaces of their own, and gone with them: `in_namespaces` starts it so.
"""

import ctypes
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_JOINED = re.compile(r"\\\n\s*")


@dataclass
class Image:
    """What a stage says of itself."""

    environ: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"
    volumes: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    @property
    def uid(self) -> int:
        """The number of the user that it runs as."""
        return int(self.user.partition(":")[0])


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a file, each with what follows its name."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    lines = filter(None, map(str.strip, _JOINED.sub(" ", plain).splitlines()))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def described(text: str) -> Image:
    """What the last stage of a file says of the image."""
    image = Image()
    for name, rest in instructions(text):
        if name == "FROM":
            image = Image()
        _take(image, name, rest)
    return image


def _take(image: Image, name: str, rest: str) -> None:
    if name == "ENV":
        image.environ |= dict(word.split("=", 1) for word in shlex.split(rest))
    elif name == "USER":
        image.user = rest
    elif name == "WORKDIR":
        image.workdir = rest
    elif name == "VOLUME":
        image.volumes.append(rest)
    elif name == "EXPOSE":
        image.ports.append(int(rest))
    elif name == "ENTRYPOINT":
        image.entrypoint = json.loads(rest)
    elif name == "CMD":
        image.command = json.loads(rest)
    elif name == "HEALTHCHECK":
        image.health = json.loads(rest.partition("CMD ")[2])


class Builder:
    """Builds in a folder in memory; `root` is the stage that is being built."""

    def __init__(self, place: Path, context: Path) -> None:
        self._place = place
        self._context = context
        self._stages: dict[str, Path] = {}
        self.root = place
        self.image = Image()

    def build(self, text: str) -> Path:
        """Carry out every line; the root of the last stage."""
        for name, rest in instructions(text):
            if name == "FROM":
                self._begin(rest)
            elif name == "COPY":
                self._copy(shlex.split(rest))
            elif name == "RUN":
                self._run(rest)
            else:
                _take(self.image, name, rest)
        return self.root

    def _begin(self, rest: str) -> None:
        self.image = Image()
        layers = self._place / str(len(self._stages))
        upper, work, self.root = (layers / name for name in ("upper", "work", "root"))
        for directory in (upper, work, self.root):
            directory.mkdir(parents=True)
        options = f"lowerdir=/,upperdir={upper},workdir={work}"
        mount("-t", "overlay", "-o", options, "overlay", str(self.root))
        mount("-t", "proc", "proc", str(self.root / "proc"))
        mount("--rbind", "/dev", str(self.root / "dev"))
        # The base image is Python's, whose program has this name; the volume is no one's yet.
        python = self.root / "usr/local/bin/python"
        python.unlink(missing_ok=True)
        python.symlink_to("/usr/bin/python3")
        self._stages[rest.partition(" AS ")[2] or "last"] = self.root

    def _copy(self, words: Sequence[str]) -> None:
        source = self._context
        if words[0].startswith("--from="):
            source, words = self._stages[words[0].partition("=")[2]], words[1:]
        *names, target = words
        to = self.root / self.image.workdir.strip("/") / target.lstrip("/")
        if target.startswith("/"):
            to = self.root / target.strip("/")
        for name in names:
            found = source / name.lstrip("/")
            if found.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, to, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                file = to / found.name if target.endswith("/") else to
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, file)

    def _run(self, line: str) -> None:
        script = f"cd {shlex.quote(self.image.workdir)} && {line}"
        kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run(
            ["chroot", str(self.root), "/bin/sh", "-ec", script],
            env={**kept, "PATH": _PATH, **self.image.environ},
            check=True,
        )


def mount(*arguments: str) -> None:
    """Mount something, in this process's own namespace."""
    subprocess.run(["mount", *arguments], check=True)


def apart(elsewhere: str) -> None:
    """See that this process has mounts of its own, before anything is mounted."""
    if _namespace() == elsewhere or os.getpid() != 1:
        sys.exit("it would mount over this machine's own root: start it as in_namespaces does")
    mount("--make-rprivate", "/")


def _namespace() -> str:
    return os.readlink("/proc/self/ns/mnt")


def in_namespaces(containerfile: Path, context: Path, data: Path) -> list[str]:
    """The words that build the image and run it, with `data` as its volume."""
    given = (_namespace(), containerfile, context, data)
    words = [sys.executable, "-m", "tests.support.image", *given]
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *map(str, words)]


def main(elsewhere: str, containerfile: Path, context: Path, data: Path) -> None:
    """Build the image, then run it as an engine does: as process 1, its root read-only."""
    apart(elsewhere)
    place = data.with_name("layers")
    place.mkdir()
    mount("-t", "tmpfs", "tmpfs", str(place))
    builder = Builder(place, context)
    root, image = builder.build(containerfile.read_text("utf-8")), builder.image
    (volume,) = image.volumes
    data.chmod((root / volume.strip("/")).stat().st_mode & 0o777)
    os.chown(data, image.uid, image.uid)
    mount("--bind", str(data), str(root / volume.strip("/")))
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "tmp"))
    mount("-o", "remount,ro", str(root))
    if ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        sys.exit("it cannot have a network of its own")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    run(root, image, [*image.entrypoint, *image.command])


def run(root: Path, image: Image, command: Sequence[str]) -> None:
    """Become a command of the image, as its user, with its environment and no other."""
    os.chroot(root)
    os.chdir(image.workdir)
    os.setgroups([])
    os.setresgid(image.uid, image.uid, image.uid)
    os.setresuid(image.uid, image.uid, image.uid)
    os.execvpe(command[0], list(command), image.environ)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
