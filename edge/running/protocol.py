"""What the runner, the workers and the admin operations tell one another, as lines of JSON. Pure.

A line is one object: `op` names the message, the other keys are its fields, and it ends in LF. A
worker keeps one connection for its life; an admin request has a connection of its own. Not here:
who says what when (`edge/running/runner.py`), and sockets.
"""

from dataclasses import asdict, dataclass, fields
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson

SOCKET = "runner.sock"
"""The runner's socket in the data directory (0600)."""

SOCKETS = (SOCKET, "turn1.sock")
"""The same by the turn of the edge (`Config.turn`): two are there while one takes over."""

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes, LF included: a project file fits many times."""

State = Literal["sleeping", "starting", "up", "backing off", "failed"]
"""Of a function. `failed`: its last start failed, and nobody has asked for it since; `backing off`:
it is started again in a while."""


class ProtocolError(Exception):
    """A line that is no message, or a message too long for a line; the text says why."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Worker: its first message. The runner answers with an `Up` for each instance, then `Synced`.

    Attributes:
        worker: its process id: while one gives its place to another, two are in one slot. A newer
            connection of the same takes the place of the older.
    """

    worker: int


@dataclass(frozen=True, slots=True)
class Need:
    """Worker: that many requests wait for an address of a deployment; 0 once none does any more.

    Sent when the number becomes positive, and at most every 0.2 s while it changes.
    """

    deployment: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Load:
    """Worker: that many requests and streams are in flight at a deployment, all its instances.

    Sent at most every 0.2 s while it changes, and after requests that came and went in between.
    """

    deployment: str
    active: int


@dataclass(frozen=True, slots=True)
class Clear:
    """Worker: nothing of mine is in flight at an instance that is leaving, nor will be."""

    instance: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Worker: an instance has cut a request off; does it live?

    Answered by `Up` or `Leaving` if it does, by `Gone` once it does not.
    """

    deployment: str
    instance: str


@dataclass(frozen=True, slots=True)
class Up:
    """Runner: an instance takes requests.

    Attributes:
        address: `unix:/path` or `http://127.0.0.1:PORT`.
        concurrency: requests that it takes at once, or None for no limit.
    """

    deployment: str
    instance: str
    address: str
    concurrency: int | None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Runner: send nothing new to this instance, close what is idle, and say `Clear` when done."""

    deployment: str
    instance: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Runner: an instance has ended, after `Leaving` or of itself; its connections are dead."""

    deployment: str
    instance: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Runner: what was waited for does not come; whoever waits now is answered so.

    Attributes:
        deployment: or the trial's id.
        reason: for the function's owner, never for its callers; may have several lines.
    """

    deployment: str
    reason: str


@dataclass(frozen=True, slots=True)
class Synced:
    """Runner: everything has been said that a worker that said `Hello` must know."""


@dataclass(frozen=True, slots=True)
class StartTrial:
    """Admin: start one process with these settings. Answered by `Said`s, then `Ready` or `Failed`.

    The end of the connection drops a trial that has not been adopted.

    Attributes:
        trial: an id of the sender's choice.
        project: the project file as canonical JSON (`Project.text`).
        code: the digest of its files.
        deployment: what the process is told that it is; empty if that is not known yet.
    """

    trial: str
    slug: str
    project: str
    code: str
    deployment: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Admin: the trial is now this deployment's first instance. Answered by `Done`."""

    trial: str
    deployment: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Admin: end the trial. Answered by `Done` when nothing of it runs any more."""

    trial: str


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Admin: how is this function? Answered by `Status`, or `Failed` if it is not run here."""

    slug: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Admin: new processes, with the secrets of now, in place of those that run.

    Answered by `Done` when requests go to the new ones (or none ran), or `Failed`: then the former
    ones still run.
    """

    slug: str


@dataclass(frozen=True, slots=True)
class AwaitEnd:
    """Admin: a function was deleted. Answered by `Done` when nothing of it runs any more."""

    slug: str


@dataclass(frozen=True, slots=True)
class Said:
    """Runner: output of a trial while it starts, as it came."""

    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Runner: the trial answers at this address (see `Up.address`)."""

    address: str


@dataclass(frozen=True, slots=True)
class Done:
    """Runner: it is done."""


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One instance.

    Attributes:
        state: `starting`, `up` or `leaving`.
        started: Unix time, seconds.
        memory: bytes resident, of all its processes.
        processes: how many there are, forks included.
    """

    instance: str
    deployment: str
    state: str
    pid: int
    started: float
    memory: int
    processes: int


@dataclass(frozen=True, slots=True)
class LastExit:
    """How an instance last ended that had not been told to.

    Attributes:
        at: Unix time, seconds.
        reason: one sentence.
        output: its last lines, at most 20.
    """

    at: float
    reason: str
    output: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """What the runner knows of a function; nothing of it outlives the runner.

    Attributes:
        deployment: the live one.
        restarts: starts in place of instances that ended without being told to.
        waiting, active: requests that wait for an instance, and that are in flight.
        retry_in: seconds until the next start while `backing off`, else 0.
    """

    slug: str
    deployment: str
    state: State
    restarts: int
    waiting: int
    active: int
    retry_in: float
    processes: tuple[ProcessStatus, ...]
    last_exit: LastExit | None


@dataclass(frozen=True, slots=True)
class Status:
    """Runner: the answer to `AskStatus`."""

    status: FunctionStatus


OfWorker = Hello | Need | Load | Clear | Doubt
ToWorker = Up | Leaving | Gone | Failed | Synced
OfAdmin = StartTrial | Adopt | Drop | AskStatus | Restart | AwaitEnd
ToAdmin = Said | Ready | Failed | Done | Status
Message = OfWorker | ToWorker | OfAdmin | ToAdmin

_OPS: dict[str, type[Any]] = {
    "hello": Hello,
    "need": Need,
    "load": Load,
    "clear": Clear,
    "doubt": Doubt,
    "up": Up,
    "leaving": Leaving,
    "gone": Gone,
    "failed": Failed,
    "synced": Synced,
    "trial": StartTrial,
    "adopt": Adopt,
    "drop": Drop,
    "ask_status": AskStatus,
    "restart": Restart,
    "await_end": AwaitEnd,
    "said": Said,
    "ready": Ready,
    "done": Done,
    "status": Status,
}
_NAMES = {kind: op for op, kind in _OPS.items()}


def to_line(message: Message) -> bytes:
    """A message as a line, LF included. Raises ProtocolError if it is over `LONGEST_LINE`."""
    line = orjson.dumps({"op": _NAMES[type(message)], **asdict(message)}) + b"\n"
    if len(line) > LONGEST_LINE:
        raise ProtocolError(f"a message of {len(line)} bytes; {LONGEST_LINE} is the most")
    return line


def from_line(line: bytes) -> Message:
    """The message of a line, with or without its LF. Raises ProtocolError."""
    if len(line) > LONGEST_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes; {LONGEST_LINE} is the most")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("op"), str):
        raise ProtocolError("not an object with an op")
    kind = _OPS.get(found.pop("op"))
    if kind is None:
        raise ProtocolError("an unknown op")
    message: Message = _made(kind, found)
    return message


def _made(kind: type[Any], found: dict[str, Any]) -> Any:
    """A dataclass from an object that has exactly its fields."""
    wanted = _FIELDS[kind]
    if found.keys() != wanted.keys():
        raise ProtocolError(f"{kind.__name__} has the fields {', '.join(wanted) or 'none'}")
    return kind(**{name: _value(kind, name, hint, found[name]) for name, hint in wanted.items()})


def _fields(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, by their names."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _value(kind: type[Any], name: str, hint: Any, value: Any) -> Any:
    if hint in _INNER and isinstance(value, dict):
        return _made(_INNER[hint], value)
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(kind, name, get_args(hint)[0], one) for one in value)
    if hint is float and type(value) is int:
        return float(value)
    if hint == State and value in hint.__args__:
        return value
    plain = isinstance(hint, type | UnionType) and hint not in _INNER
    if (plain or value is None) and not isinstance(value, bool) and _is(value, hint):
        return value
    raise ProtocolError(f"{kind.__name__}.{name} cannot be {type(value).__name__}")


def _is(value: Any, hint: Any) -> bool:
    return isinstance(hint, type | UnionType) and isinstance(value, hint)


_INNER: dict[Any, type[Any]] = {
    ProcessStatus: ProcessStatus,
    FunctionStatus: FunctionStatus,
    LastExit | None: LastExit,
}
_FIELDS = {kind: _fields(kind) for kind in (*_OPS.values(), *_INNER.values())}
