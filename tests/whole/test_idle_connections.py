"""Connections that wait, as many as there may be: they cost little, and one more is told so."""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.whole_edge import Answer, Caller, Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually, memory, settled

TARGET = "/shop/hello"
PER_CONNECTION = 8 * 1024
"""Bytes of a worker's memory for each."""

NOISE = 8 * 1024 * 1024
"""Bytes that workers may take whatever the number."""

AT_ONCE = 50

SPARE = 500
"""Descriptors that the test needs beside its connections."""


def room_for(connections: int) -> None:
    """Let this process have so many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < connections + SPARE:
        why = f"{connections + SPARE} descriptors are needed, {hard} are allowed"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def answers(callers: list[Caller], token: str) -> Iterator[Answer]:
    """What each is answered, of whom some ask at once."""
    for at in range(0, len(callers), AT_ONCE):
        asking = [caller.send(TARGET, token) for caller in callers[at : at + AT_ONCE]]
        yield from (caller.receive() for caller in asking)


def filled(edge: Edge, token: str, count: int) -> list[Caller]:
    """So many connections, each of which was served once; a worker that is full says so."""
    held: list[Caller] = []
    while len(held) < count:
        fresh = [edge.caller() for _ in range(min(AT_ONCE, count - len(held)))]
        for caller, answer in zip(fresh, answers(fresh, token), strict=True):
            if answer.status == 200:
                held.append(caller)
            else:
                check_refusal(answer)
                caller.close()
    return held


def check_refusal(answer: Answer) -> None:
    """What is said where a worker has as many connections as it may."""
    assert answer.status == 503
    assert answer.json["code"] == "overloaded"
    assert "Too many connections" in answer.json["message"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"


def statuses(callers: list[Caller], token: str) -> set[int]:
    """What connections are answered that have waited."""
    return {answer.status for answer in answers(callers, token)}


def resident(edge: Edge) -> int:
    """The memory of all workers, once that stands still."""
    return settled(lambda: sum(memory(worker)[0] for worker in edge.workers))


def connections(edge: Edge) -> int:
    """How many the edge has at its end."""
    ours, over = f"0100007F:{edge.port:04X}", ("0A", "06")  # listening, and its wait after the end
    fields = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    return len({far for _, near, far, state, *_ in fields if near == ours and state not in over})


@pytest.mark.parametrize(
    ("workers", "flags", "most"),
    [
        (2, ("--max-connections", "50"), 50),
        pytest.param(2, ("--max-connections", "5000"), 5_000, marks=pytest.mark.slow),
        pytest.param(1, (), 10_000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(300)
def test_as_many_idle_connections_as_there_may_be_cost_little_and_one_more_is_told(
    tmp_path: Path, origin: Function, workers: int, flags: tuple[str, ...], most: int
) -> None:
    count = workers * most
    room_for(count)
    flags = (*flags, "--auth-failures", "off")
    with serving(tmp_path / "data", *flags, workers=workers) as edge:
        token = str(edge.deploy("shop", origin.url).token)
        with edge.caller_of_each_worker() as callers:
            for caller in callers.values():
                assert caller.ask(TARGET, token).status == 200
        before = resident(edge)

        held = filled(edge, token, count)
        taken = resident(edge) - before
        print(f"{taken / count / 1024:.1f} KiB for each idle connection")  # noqa: T201
        assert taken < count * PER_CONNECTION + NOISE
        eventually(lambda: connections(edge) == count, "there are so many, and no other is left")
        for _ in range(20):
            one_more = edge.caller()
            check_refusal(one_more.ask(TARGET, token))
            one_more.close()
        assert statuses(held[::10], token) == {200}
        other = edge.operations.create_token("shop", "other").token
        edge.operations.revoke_token("shop", "default")
        assert statuses(held[::10], token) == {401}
        assert statuses(held[1::10], other) == {200}

        for caller in held[::2]:
            caller.close()
        eventually(lambda: connections(edge) == count // 2, "half of them are gone")
        assert statuses([edge.caller()], other) == {200}
        os.kill(edge.pid, signal.SIGTERM)
        assert all(caller.was_closed() for caller in held[1::2])
        assert edge.program.process.wait(20) == 0
