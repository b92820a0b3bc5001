"""A session is good in every worker, also of an edge that was started anew amid it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.restarting_edge import RestartingEdge, restarting_edge
from tests.support.whole_edge import Answer, Caller

MCP = "/customers/mcp"
WORKERS = 2


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RestartingEdge]:
    """An edge of two workers with the example function deployed."""
    with restarting_edge(tmp_path, workers=WORKERS) as edge:
        yield edge


def new_connections(running: RestartingEdge) -> Iterator[Caller]:
    """Yield new connections, each for one request, until every worker has had one."""
    reached: set[int] = set()
    for _ in range(200):
        caller = running.edge.caller()
        reached.add(running.edge.worker_of(caller))
        yield caller
        caller.close()
        if len(reached) == WORKERS:
            return
    pytest.fail(f"only {len(reached)} workers have been reached")


def result(answer: Answer) -> Any:
    """The result of a JSON-RPC call that went well."""
    assert answer.status == 200, answer
    return answer.json["result"]


def use_in_every_worker(running: RestartingEdge, token: str, session: str) -> list[Any]:
    """Call a tool in each worker; return what each lists."""
    for caller in new_connections(running):
        call = {"name": "getCustomer", "arguments": {"id": "c2"}}
        called = result(caller.rpc(MCP, token, "tools/call", session, **call))
        assert called["structuredContent"]["name"] == "Luis Andrade"
    return [
        result(caller.rpc(MCP, token, "tools/list", session)) for caller in new_connections(running)
    ]


def test_no_request_of_a_session_needs_the_worker_or_the_run_that_opened_it(
    running: RestartingEdge,
) -> None:
    token = running.deployed.token
    assert token is not None
    session = running.edge.caller().open_session(MCP, token)

    before = use_in_every_worker(running, token, session)
    running.restart()
    after = use_in_every_worker(running, token, session)

    assert before[0]["tools"]
    assert all(each == before[0] for each in before + after)


@pytest.mark.slow
def test_a_session_that_ended_in_one_worker_is_gone_in_all_of_the_next_run(
    running: RestartingEdge,
) -> None:
    token = running.deployed.token
    assert token is not None
    session = running.edge.caller().open_session(MCP, token)
    ending = {"Mcp-Session-Id": session}
    ended = running.edge.caller().ask(MCP, token, method="DELETE", headers=ending)
    assert ended.status in (200, 204)

    running.restart()

    for caller in new_connections(running):
        assert caller.rpc(MCP, token, "tools/list", session).status == 404
