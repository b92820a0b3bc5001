"""MCP in several workers: what one is told, all of them act on."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.edge import isolated
from tests.support.processes import JELOU
from tests.support.whole_edge import MCP_REVISION, Caller, Edge, serving
from tests.support.whole_function import SECONDS, Function, document
from tests.support.whole_processes import eventually

MCP = "/shop/mcp"
CANCELLED = -32800


@contextmanager
def before_it(
    tmp_path: Path, origin: Function, *flags: str, workers: int = 4
) -> Iterator[tuple[Edge, str]]:
    """An edge before a function, and the token."""
    with serving(tmp_path / "data", *flags, workers=workers) as edge:
        token = edge.deploy("shop", origin.url).token
        assert token is not None
        yield edge, token


def hold(caller: Caller, token: str, session: str, origin: Function) -> Caller:
    """A call, with the id that all of them have, that has reached the function."""
    caller.send_rpc(MCP, token, "tools/call", session, name="hold", arguments={})
    origin.wait_for_held(1)
    return caller


def cancel(caller: Caller, token: str, session: str) -> None:
    """Cancel the call."""
    message = {"method": "notifications/cancelled", "params": {"requestId": 1}}
    answer = caller.ask(
        MCP,
        token,
        method="POST",
        body=json.dumps({"jsonrpc": "2.0", **message}),
        headers={"Content-Type": "application/json", "Mcp-Session-Id": session},
    )
    assert (answer.status, answer.body) == (202, b"")


def watch(caller: Caller, token: str, session: str) -> http.client.HTTPResponse:
    """The stream of a session, which has begun."""
    headers = {
        "Accept": "text/event-stream",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": MCP_REVISION,
    }
    caller.send(MCP, token, headers=headers)
    stream = caller.connection.getresponse()
    assert stream.status == 200
    assert stream.readline().startswith(b"id: ")
    assert (stream.readline(), stream.readline()) == (b"data:\n", b"\n")
    return stream


def told(stream: http.client.HTTPResponse) -> Any:
    """The next message of a stream."""
    while line := stream.readline():
        if line.startswith(b"data: "):
            assert stream.readline() == b"\n"
            return json.loads(line[6:])
    raise AssertionError("the stream has ended")


def test_a_call_is_cancelled_from_whichever_worker(shared_edge: Edge, origin: Function) -> None:
    edge, token = shared_edge, shared_edge.deploy("shop", origin.url).token or ""
    with edge.caller_of_each_worker() as callers:
        session = edge.caller().open_session(MCP, token)
        for worker, caller in callers.items():
            [call] = edge.callers_of(edge.workers[0], 1)
            hold(call, token, session, origin)
            cancel(caller, token, session)
            answer = call.receive().json
            assert answer["error"]["code"] == CANCELLED, worker
            origin.wait_until_left()


@pytest.mark.slow
def test_of_calls_with_one_id_in_two_workers_none_is_cancelled(
    tmp_path: Path, origin: Function
) -> None:
    with before_it(tmp_path, origin) as (edge, token), edge.caller_of_each_worker() as callers:
        first, second, third, fourth = callers.values()
        session = edge.caller().open_session(MCP, token)
        for caller in (first, second):
            hold(caller, token, session, origin)
        for caller in (third, fourth):
            cancel(caller, token, session)
        origin.let_go.set()
        for caller in (first, second):
            assert caller.receive().json["result"]["isError"] is False


@pytest.mark.slow
def test_a_second_stream_ends_the_first_in_whichever_worker(
    tmp_path: Path, origin: Function
) -> None:
    with before_it(tmp_path, origin) as (edge, token), edge.caller_of_each_worker() as callers:
        session = edge.caller().open_session(MCP, token)
        other = watch(edge.caller(), token, edge.caller().open_session(MCP, token))
        streams = []
        for caller in callers.values():
            streams.append(watch(caller, token, session))
            for before in streams[:-1]:
                assert before.read() == b""  # to its last chunk, in order
        origin.openapi = document("new")
        edge.deploy("shop", origin.url)
        for stream in (streams[-1], other):
            assert told(stream)["method"] == "notifications/tools/list_changed"


def test_every_worker_tells_its_streams_of_a_deploy_and_ends_those_of_an_ended_session(
    shared_edge: Edge, origin: Function
) -> None:
    edge, token = shared_edge, shared_edge.deploy("shop", origin.url).token or ""
    with edge.caller_of_each_worker() as callers:
        sessions = [edge.caller().open_session(MCP, token) for _ in callers]
        pairs = zip(callers.values(), sessions, strict=True)
        streams = [watch(caller, token, session) for caller, session in pairs]
        origin.openapi = document("new")
        edge.deploy("shop", origin.url)
        for stream in streams:
            assert told(stream) == {
                "jsonrpc": "2.0",
                "method": "notifications/tools/list_changed",
            }
        for stream, session in zip(streams, sessions, strict=True):
            ended = edge.caller().ask(
                MCP, token, method="DELETE", headers={"Mcp-Session-Id": session}
            )
            assert ended.status == 204
            assert stream.read() == b""
            with edge.caller_of_each_worker() as again:
                for caller in again.values():
                    assert caller.rpc(MCP, token, "tools/list", session).status == 404


@pytest.mark.slow
def test_sessions_of_the_old_key_and_of_the_new_are_good_in_every_worker(
    tmp_path: Path, origin: Function
) -> None:
    many = ("--mcp-sessions", "1000000")
    with before_it(tmp_path, origin, *many, workers=2) as (edge, token):
        before = [edge.caller().open_session(MCP, token) for _ in range(4)]
        command = [*JELOU, "mcp", "rotate-keys", "--data-dir", str(edge.data_dir), "--json"]
        made = subprocess.run(
            command, env=isolated(edge.data_dir), capture_output=True, timeout=SECONDS, check=True
        )
        kid = json.loads(made.stdout)["data"][0]["kid"]
        during = use(edge, token, before)
        for worker in edge.workers:
            [caller] = edge.callers_of(worker, 1)

            def signs(caller: Caller = caller) -> bool:
                during.append(caller.open_session(MCP, token))
                return kid in during[-1]

            eventually(signs, f"worker {worker} signs with the new key", seconds=20)
        use(edge, token, [*before, during[0], *during[-2:]])


def use(edge: Edge, token: str, sessions: list[str]) -> list[str]:
    """Call in every worker in each of the sessions; a new session from each worker."""
    with edge.caller_of_each_worker() as callers:
        for caller in callers.values():
            for session in sessions:
                answer = caller.rpc(MCP, token, "tools/call", session, name="hello", arguments={})
                assert answer.json["result"]["isError"] is False
        return [caller.open_session(MCP, token) for caller in callers.values()]
