"""What has happened, counted. Pure.

One worker's counts: events go in, a `Snapshot` comes out, and snapshots add up.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter, sub
from typing import NamedTuple, Self, TypeVar

from edge.errors import Errors
from edge.events import Account, CronRan, CutOff, Event, Unread

_Key = TypeVar("_Key")

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
"""Upper ends of the classes of duration, seconds; the last class has none."""

MOST_TOOLS = 1000
"""Pairs of function and tool that are told apart; the rest count as `OTHER`, as do methods of MCP
that are not in `METHODS`: what a client may say names no label without end."""

OTHER = "other"

METHODS = frozenset(
    {
        "completion/complete", "initialize", "logging/setLevel", "notifications/cancelled",
        "notifications/initialized", "notifications/progress",
        "notifications/roots/list_changed", "ping", "prompts/get", "prompts/list",
        "resources/list", "resources/read", "resources/subscribe", "resources/templates/list",
        "resources/unsubscribe", "server/discover", "subscriptions/listen", "tools/call",
        "tools/list",
    }
)  # fmt: skip

RequestKey = tuple[str, int, str, str, bool]
"""Function, status, code, lane, whether whole: as in `Account`."""

ToolKey = tuple[str, str, str]
"""Function, tool, and what became of the call: `ok`, `error` or `unknown`."""


class Durations(NamedTuple):
    """How long something took.

    Attributes:
        seconds: in all.
        classes: how many fell into each of `BOUNDS`, and beyond.
    """

    seconds: float
    classes: tuple[int, ...]


class Snapshot(NamedTuple):
    """Counts at one moment.

    Attributes:
        requests: how many, by what they were.
        durations, upstream: by function: of whole requests, and of waiting for the function.
        traffic: bytes of bodies received and sent, by function.
        unauthorized: by reason.
        mcp: messages of MCP, by function and method.
        tools: calls of tools.
        unread: by code.
        cut_off: by why.
        cron: runs of schedules, by function and state.
    """

    requests: dict[RequestKey, int]
    durations: dict[str, Durations]
    upstream: dict[str, Durations]
    traffic: dict[str, tuple[int, int]]
    unauthorized: dict[str, int]
    mcp: dict[tuple[str, str], int]
    tools: dict[ToolKey, int]
    unread: dict[str, int]
    cut_off: dict[str, int]
    cron: dict[tuple[str, str], int]


class Tally:
    """Counts that only grow."""

    def __init__(self) -> None:
        self._requests: dict[RequestKey, int] = {}
        self._durations = _Stopwatches()
        self._upstream = _Stopwatches()
        self._traffic: dict[str, tuple[int, int]] = {}
        self._unauthorized: dict[str, int] = {}
        self._mcp: dict[tuple[str, str], int] = {}
        self._tools: dict[ToolKey, int] = {}
        self._unread: dict[str, int] = {}
        self._cut_off: dict[str, int] = {}
        self._cron: dict[tuple[str, str], int] = {}

    @classmethod
    def of(cls, snapshots: Iterable[Snapshot]) -> Self:
        """What several have counted, added up."""
        tally = cls()
        for snapshot in snapshots:
            tally.add(snapshot)
        return tally

    def watch(self, events: Sequence[Event]) -> None:
        """Count events."""
        functions: dict[int, str] = {}  # of decisions, which connections repeat
        alike: dict[RequestKey, list[Account]] = {}
        for event in events:
            if isinstance(event, Account):
                decided = id(event.decision)
                function = functions.get(decided)
                if function is None:
                    function = functions[decided] = event.function
                key: RequestKey = (function, event.status, event.code, event.lane, event.whole)
                if key in alike:
                    alike[key].append(event)
                else:
                    alike[key] = [event]
            else:
                self._other(event)
        for key, accounts in alike.items():
            self._requests[key] = self._requests.get(key, 0) + len(accounts)
            self._measured(key[0], accounts)

    def _other(self, event: Unread | CutOff | CronRan) -> None:
        if isinstance(event, Unread):
            _add(self._unread, ((event.code, 1),))
        elif isinstance(event, CutOff):
            _add(self._cut_off, ((event.why, 1),))
        else:
            _add(self._cron, (((event.function, event.state), 1),))

    def _measured(self, function: str, accounts: Sequence[Account]) -> None:
        """Count what differs from one request of a function to the next."""
        self._durations.note(function, _times(accounts, _BEGAN, _ENDED))
        asked = [each for each in accounts if each.set_out and each.answered]
        self._upstream.note(function, _times(asked, _SET_OUT, _ANSWERED))
        self._carried(function, sum(map(_RECEIVED, accounts)), sum(map(_SENT, accounts)))
        if accounts[0].code == _UNAUTHORIZED:
            _add(self._unauthorized, Counter(map(_REASON, accounts)).items())
        messages = Counter(map(_MESSAGE, filter(_MCP_METHOD, accounts)))
        for (method, tool, failed), count in messages.items():
            self._messages(function, method, tool, failed, count)

    def _carried(self, function: str, received: int, sent: int) -> None:
        if received or sent:
            before = self._traffic.get(function, (0, 0))
            self._traffic[function] = (before[0] + received, before[1] + sent)

    def _messages(
        self, function: str, method: str, tool: str, failed: bool | None, count: int
    ) -> None:
        _add(self._mcp, (((function, method if method in METHODS else OTHER), count),))
        if tool:
            key = (function, tool, _RESULTS[failed])
            if key not in self._tools and len(self._tools) >= MOST_TOOLS:
                key = (function, OTHER, key[2])
            _add(self._tools, ((key, count),))

    def snapshot(self) -> Snapshot:
        """The counts as they are now."""
        return Snapshot(
            requests=dict(self._requests),
            durations=self._durations.read(),
            upstream=self._upstream.read(),
            traffic=dict(self._traffic),
            unauthorized=dict(self._unauthorized),
            mcp=dict(self._mcp),
            tools=dict(self._tools),
            unread=dict(self._unread),
            cut_off=dict(self._cut_off),
            cron=dict(self._cron),
        )

    def add(self, other: Snapshot) -> Self:
        """Count what another has counted as well."""
        _add(self._requests, other.requests.items())
        self._durations.add(other.durations)
        self._upstream.add(other.upstream)
        for name, (received, sent) in other.traffic.items():
            self._carried(name, received, sent)
        _add(self._unauthorized, other.unauthorized.items())
        _add(self._mcp, other.mcp.items())
        _add(self._tools, other.tools.items())
        _add(self._unread, other.unread.items())
        _add(self._cut_off, other.cut_off.items())
        _add(self._cron, other.cron.items())
        return self


_UNAUTHORIZED = Errors.UNAUTHORIZED.value.code
_RESULTS = {False: "ok", True: "error", None: "unknown"}

_NONE = (0,) * (len(BOUNDS) + 1)

# Read without a step of Python for each request.
_BEGAN, _SET_OUT, _ANSWERED, _ENDED = map(attrgetter, ("began", "set_out", "answered", "ended"))
_RECEIVED, _SENT = attrgetter("received"), attrgetter("sent")
_REASON, _MCP_METHOD = attrgetter("reason"), attrgetter("mcp_method")
_MESSAGE = attrgetter("mcp_method", "tool", "tool_failed")
_class_of = partial(bisect_left, BOUNDS)
_Instant = Callable[[Account], float]


def _times(accounts: Sequence[Account], begin: _Instant, end: _Instant) -> list[float]:
    """Seconds from one instant to another of each."""
    return list(map(sub, map(end, accounts), map(begin, accounts)))


class _Stopwatches:
    """Durations by function."""

    def __init__(self) -> None:
        self._all: dict[str, list[float]] = {}  # seconds, then the classes

    def note(self, name: str, times: Sequence[float]) -> None:
        if not times:
            return
        noted = self._all.get(name)
        if noted is None:
            noted = self._all[name] = [0.0, *_NONE]
        noted[0] += sum(times)
        for which, count in Counter(map(_class_of, times)).items():
            noted[which + 1] += count

    def read(self) -> dict[str, Durations]:
        return {
            name: Durations(seconds, tuple(map(int, classes)))
            for name, (seconds, *classes) in self._all.items()
        }

    def add(self, others: Mapping[str, Durations]) -> None:
        for name, durations in others.items():
            mine = self._all.get(name, (0.0, *_NONE))
            theirs = (durations.seconds, *durations.classes)
            self._all[name] = [a + b for a, b in zip(mine, theirs, strict=True)]


def _add(counts: dict[_Key, int], more: Iterable[tuple[_Key, int]]) -> None:
    for key, count in more:
        counts[key] = counts.get(key, 0) + count
