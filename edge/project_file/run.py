"""`command`, `entrypoint`, `build` and `scale`: a function that the edge runs itself. Pure.

What becomes of them (processes, copies, builds) is not here.
"""

import re

from edge.functions import Run, Scale
from edge.project_file.reader import Section, quote
from edge.project_file.texts import seconds

RUN_KEYS = ("command", "entrypoint", "build", "scale")
SCALE_KEYS = ("min", "max", "concurrency", "idle")

MOST_PROCESSES = 64
MOST_IN_FLIGHT = 10_000
MOST_ARGUMENTS = 256
LONGEST_ARGUMENT = 4096

_ENTRYPOINT = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*\.py")
_OF_NODE = re.compile(r".*\.(?:[cm]?[jt]sx?)")


def read_run(root: Section) -> Run | None:
    """How the edge runs the function, or None if it listens by itself."""
    if "command" not in root and "entrypoint" not in root:
        for key in ("build", "scale"):
            if key in root:
                root.problem(
                    key, 'is for a function that the edge runs; add "command" or remove it'
                )
        return None
    return Run(
        command=_read_command(root, "command"),
        entrypoint=_read_entrypoint(root),
        build=_read_command(root, "build"),
        scale=_read_scale(root.section("scale", SCALE_KEYS)),
    )


def _read_command(root: Section, key: str) -> tuple[str, ...]:
    example = '["node", "server.js"]' if key == "command" else '["npm", "ci"]'
    what = f"a program and its arguments, such as {example}"
    if key not in root:
        return ()
    given = root.get(key)
    if isinstance(given, str) or given == []:
        root.expected(key, what)
        return ()
    words = root.items(key, what)
    if len(words) > MOST_ARGUMENTS:
        root.problem(key, f"holds {len(words)} words; {MOST_ARGUMENTS} is the most")
    for index, word in enumerate(words):
        if not _is_argument(word) or (index == 0 and not word.strip()):
            root.findings.problem((key, index), f"{quote(word)} is not {what}")
    return tuple(word for word in words if isinstance(word, str))


def _is_argument(word: object) -> bool:
    return isinstance(word, str) and "\0" not in word and len(word) <= LONGEST_ARGUMENT


def _read_entrypoint(root: Section) -> str:
    path = root.string("entrypoint")
    if "entrypoint" not in root or not isinstance(root.get("entrypoint"), str):
        return ""
    if _ENTRYPOINT.fullmatch(path):
        return path
    if _OF_NODE.fullmatch(path):
        root.problem(
            "entrypoint",
            f"{quote(path)} is not Python; say how it is run instead, such as "
            f'"command": ["node", {quote(path)}]',
        )
    else:
        root.expected("entrypoint", 'a Python file in the project, such as "index.py"')
    return ""


def _read_scale(scale: Section) -> Scale:
    default = Scale()
    most = scale.integer("max", default.maximum, 1, MOST_PROCESSES, "processes")
    least = scale.integer("min", default.minimum, 0, MOST_PROCESSES, "processes")
    if least > most:
        scale.problem("min", f"is {least}, more than max ({most})")
    idle = default.idle
    if "idle" in scale:
        found = seconds(scale.get("idle"))
        if not found:
            scale.expected("idle", 'a duration, such as 900 (seconds) or "15m"')
        idle = found or idle
    concurrency = None
    if "concurrency" in scale:
        concurrency = scale.integer(
            "concurrency", MOST_IN_FLIGHT, 1, MOST_IN_FLIGHT, "requests in flight"
        )
    return Scale(least, most, concurrency, idle)
