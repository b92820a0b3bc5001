"""At which address of a function that is an MCP server a session is at home. Pure.

A session lives in one process: where a function has several addresses, every request of it goes to
the one that opened it; where the edge runs it in several processes, to that process. `home` is that
address or process, shortened, and the function's own id of the session.
"""

from dataclasses import replace
from hashlib import sha256

from edge.errors import EdgeError
from edge.forwarding.wire import CircuitOpen, UpstreamFailure
from edge.functions import Function, Upstream

_DIGITS = 8


def home(upstream: Upstream, instance: str, own_id: bytes) -> str:
    """Where a session lives that an address has opened; `instance` is the process there, if any."""
    return f"{short(instance or upstream.url)}.{own_id.decode('latin-1')}"


def at_home(function: Function, home: str | None) -> tuple[Function, str | None]:
    """The function at that address alone, if it still has it, and its own id of the session.

    Where the edge runs the function, at that process for as long as there is one.
    """
    if home is None:
        return function, None
    where, _, own_id = home.partition(".")
    project = function.live.project
    if project.run is not None:
        there = tuple(replace(each, socket=where) for each in project.upstreams)
    else:
        there = tuple(each for each in project.upstreams if short(each.url) == where)
        if len(project.upstreams) == 1 or not there:
            return function, own_id
    live = replace(function.live, project=replace(project, upstreams=there))
    return replace(function, live=live), own_id


def is_gone(error: EdgeError, function: Function) -> bool:
    """Whether a session's address took no byte of a request, and the function has others.

    One that is left alone because it was slow may still have the session.
    """
    failure = error.__cause__
    if isinstance(failure, CircuitOpen) and failure.cause != "unreachable":
        return False
    unwritten = isinstance(failure, UpstreamFailure) and not failure.written
    return unwritten and len(function.live.project.upstreams) > 1


def short(text: str) -> str:
    """An address or the id of a process, shortened."""
    return sha256(text.encode()).hexdigest()[:_DIGITS]
