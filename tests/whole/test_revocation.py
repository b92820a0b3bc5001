"""What ends a right bites on the next request of every worker, before the command returns."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest

from edge.admin.token_operations import NewToken
from tests.support.edge import jelou
from tests.support.store_process import StoreProcess
from tests.support.whole_edge import UNAUTHORIZED, Answer, Caller, Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually

WORKERS = 4
SLUG = "shop"
HTTP = f"/{SLUG}/hello"
MCP = f"/{SLUG}/mcp"
NUMBERS = count(1)


@dataclass
class Whole:
    """Four workers, a connection to each, and a function of the test's own."""

    edge: Edge
    origin: Function
    callers: list[Caller]

    def token(self, **more: float) -> NewToken:
        """A fresh token."""
        return self.edge.operations.create_token(SLUG, f"token-{next(NUMBERS)}", **more)

    def all_answer(self, status: int, ask: Callable[[Caller], Answer]) -> None:
        """Ask over the connection to each worker, in turn."""
        assert [ask(caller).status for caller in self.callers] == [status] * WORKERS


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    data, flags = tmp_path_factory.mktemp("edge") / "data", ("--auth-failures", "off")
    with serving(data, *flags, workers=WORKERS) as running:
        yield running


@pytest.fixture
def whole(edge: Edge, origin: Function) -> Iterator[Whole]:
    with edge.caller_of_each_worker() as callers:
        edge.deploy(SLUG, origin.url)
        yield Whole(edge, origin, list(callers.values()))
        edge.operations.delete_function(SLUG)


def get(token: NewToken) -> Callable[[Caller], Answer]:
    """A plain request with a token."""
    return lambda caller: caller.ask(HTTP, token.token)


def list_tools(token: NewToken, session: str) -> Callable[[Caller], Answer]:
    """A call in an MCP session."""
    return lambda caller: caller.rpc(MCP, token.token, "tools/list", session)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_revoked_token_is_refused_by_the_next_request_of_every_worker_100_times(
    whole: Whole,
) -> None:
    for _ in range(100):
        token = whole.token()
        whole.all_answer(200, get(token))
        whole.edge.operations.revoke_token(SLUG, token.id)
        for caller in whole.callers:
            refused = caller.ask(HTTP, token.token)
            assert (refused.status, refused.body) == (401, UNAUTHORIZED)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_revoked_token_ends_its_open_mcp_session_in_every_worker_100_times(whole: Whole) -> None:
    for _ in range(100):
        token = whole.token()
        session = whole.callers[0].open_session(MCP, token.token)
        whole.all_answer(200, list_tools(token, session))
        whole.edge.operations.revoke_token(SLUG, token.id)
        whole.all_answer(401, list_tools(token, session))


def test_the_command_line_revokes_on_a_running_edge(whole: Whole) -> None:
    token = whole.token()
    whole.all_answer(200, get(token))
    jelou(whole.edge.data_dir, "tokens", "revoke", SLUG, token.name, "-y")
    whole.all_answer(401, get(token))


@pytest.mark.slow
def test_a_rotated_token_is_refused_and_its_session_goes_on_with_the_new_one(whole: Whole) -> None:
    for _ in range(10):
        old = whole.token()
        session = whole.callers[0].open_session(MCP, old.token)
        whole.all_answer(200, get(old))
        new = whole.edge.operations.rotate_token(SLUG, old.id)
        whole.all_answer(401, get(old))
        whole.all_answer(200, get(new))
        whole.all_answer(401, list_tools(old, session))
        whole.all_answer(200, list_tools(new, session))


def test_a_rotated_token_lives_on_for_its_overlap_and_can_still_be_revoked(whole: Whole) -> None:
    old = whole.token()
    new = whole.edge.operations.rotate_token(SLUG, old.id, 3600)
    whole.all_answer(200, get(old))
    whole.all_answer(200, get(new))
    whole.edge.operations.revoke_token(SLUG, f"{old.name}~old")
    whole.all_answer(401, get(old))
    whole.all_answer(200, get(new))


@pytest.mark.slow
def test_a_token_is_refused_from_the_moment_it_expires(whole: Whole) -> None:
    for _ in range(3):
        token = whole.token(expires_in=0.8)
        session = whole.callers[0].open_session(MCP, token.token)
        whole.all_answer(200, get(token))
        assert token.expires is not None
        ends = token.expires + 0.001  # it is shown in whole milliseconds
        eventually(lambda: time.time() >= ends, "the token's time is over")  # noqa: B023
        whole.all_answer(401, get(token))
        whole.all_answer(401, list_tools(token, session))


def test_a_deleted_functions_tokens_are_refused_and_stay_so_if_the_slug_returns(
    whole: Whole,
) -> None:
    edge = whole.edge
    for _ in range(10):
        token = whole.token()
        whole.all_answer(200, get(token))
        edge.operations.delete_function(SLUG)
        whole.all_answer(404, get(token))
        whole.all_answer(404, lambda caller: caller.ask(HTTP))
        again = edge.deploy(SLUG, whole.origin.url)
        whole.all_answer(401, get(token))
        whole.all_answer(200, lambda caller: caller.ask(HTTP, again.token))  # noqa: B023


def test_an_mcp_session_that_was_deleted_is_gone_in_every_worker(whole: Whole) -> None:
    token = whole.token()
    for round_ in range(20):
        session = whole.callers[0].open_session(MCP, token.token)
        whole.all_answer(200, list_tools(token, session))
        headers = {"Mcp-Session-Id": session}
        deleting = whole.callers[round_ % WORKERS]
        assert deleting.ask(MCP, token.token, method="DELETE", headers=headers).status < 300
        whole.all_answer(404, list_tools(token, session))
        whole.all_answer(200, get(token))


@pytest.mark.slow
def test_a_deploy_that_makes_a_function_private_bites_in_every_worker(whole: Whole) -> None:
    for _ in range(10):
        public = whole.edge.deploy(SLUG, whole.origin.url, public=True)
        whole.all_answer(200, lambda caller: caller.ask(HTTP))
        whole.edge.deploy(SLUG, whole.origin.url, public=False)
        whole.all_answer(401, lambda caller: caller.ask(HTTP))
        whole.edge.operations.rollback(SLUG, public.id)
        whole.all_answer(200, lambda caller: caller.ask(HTTP))


def test_a_token_made_by_a_writer_that_asks_no_edge_is_good_and_refused_at_once(
    whole: Whole,
) -> None:
    with StoreProcess(whole.edge.data_dir) as writer:
        writer.open()
        for number in range(20):
            secret = writer.ask("create", SLUG, f"outside-{number}")
            whole.all_answer(200, lambda caller: caller.ask(HTTP, secret))  # noqa: B023
            writer.ask("revoke", SLUG, f"outside-{number}")
            whole.all_answer(401, lambda caller: caller.ask(HTTP, secret))  # noqa: B023


def test_a_revocation_bites_though_its_writer_was_killed_before_it_told_anyone(
    whole: Whole,
) -> None:
    for _ in range(3):
        token = whole.token()
        whole.all_answer(200, get(token))
        with StoreProcess(whole.edge.data_dir, pause=True) as writer:
            writer.open()
            assert writer.ask("revoke", SLUG, token.name).startswith("committed")
        for caller in whole.callers:
            eventually(
                lambda: caller.ask(HTTP, token.token).status == 401,  # noqa: B023
                "the poll has published what the killed writer left",
                seconds=3,
            )
        whole.all_answer(401, get(token))


def test_open_event_streams_of_a_revoked_token_are_broken_off_and_others_are_not(
    whole: Whole,
) -> None:
    token, other = whole.token(), whole.token()
    streams = [caller.send(f"/{SLUG}/events", token.token) for caller in whole.callers]
    bystander = whole.edge.caller().send(f"/{SLUG}/events", other.token)
    responses = [caller.connection.getresponse() for caller in streams]
    going_on = bystander.connection.getresponse()
    assert [response.status for response in responses] == [200] * WORKERS
    whole.edge.operations.revoke_token(SLUG, token.id)
    for response in responses:
        with pytest.raises(http.client.IncompleteRead):
            response.read()
        whole.origin.wait_until_left()
    whole.origin.next_event.release()
    assert going_on.readline() == b"data: 0\n"
    bystander.close()


@pytest.mark.parametrize("event", ["expired", "deleted", "made private"])
def test_an_open_event_stream_ends_with_whatever_let_it_in(whole: Whole, event: str) -> None:
    whole.edge.deploy(SLUG, whole.origin.url, public=event == "made private")
    token = None if event == "made private" else whole.token(expires_in=1.0).token
    caller = whole.edge.caller().send(f"/{SLUG}/events", token)
    stream = caller.connection.getresponse()
    assert stream.status == 200
    if event == "deleted":
        whole.edge.operations.delete_function(SLUG)
    elif event == "made private":
        whole.edge.deploy(SLUG, whole.origin.url)
    with pytest.raises(http.client.IncompleteRead):
        stream.read()
    whole.origin.wait_until_left()
    whole.edge.deploy(SLUG, whole.origin.url)


def test_a_stream_that_begins_after_its_token_was_revoked_is_broken_off(whole: Whole) -> None:
    token, other = whole.token(), whole.token()
    early, late, bystander = whole.edge.callers_of(whole.edge.workers[0], 3)
    ended = early.send(f"/{SLUG}/events", token.token).connection.getresponse()
    late.send(f"/{SLUG}/late-events", token.token)
    whole.origin.wait_for_held(1)
    going_on = bystander.send(f"/{SLUG}/events", other.token).connection.getresponse()
    whole.edge.operations.revoke_token(SLUG, token.id)
    with pytest.raises(http.client.IncompleteRead):
        ended.read()
    whole.origin.wait_until_left()
    whole.origin.let_go.set()
    begun = late.connection.getresponse()
    assert begun.status == 200  # it was asked for before the token's end
    with pytest.raises(http.client.IncompleteRead):
        begun.read()
    whole.origin.wait_until_left()
    whole.origin.next_event.release()
    assert going_on.readline() == b"data: 0\n"
    bystander.close()


def test_no_request_begun_after_a_revocation_is_let_in_however_busy_the_workers_are(
    whole: Whole,
) -> None:
    current = [whole.token()]
    seen: dict[str, list[tuple[float, int]]] = {}
    over = threading.Event()

    def hammer(caller: Caller) -> None:
        while not over.is_set():
            token = current[-1].token
            begun = time.monotonic()
            seen.setdefault(token, []).append((begun, caller.ask(HTTP, token).status))

    callers = [*whole.callers, *(whole.edge.caller() for _ in range(8))]
    threads = [threading.Thread(target=hammer, args=[caller]) for caller in callers]
    for thread in threads:
        thread.start()
    ends: dict[str, float] = {}
    for _ in range(20):
        token = current[-1]
        eventually(lambda: 200 in statuses(seen, token), "it was let in")  # noqa: B023
        whole.edge.operations.revoke_token(SLUG, token.id)
        ends[token.token] = time.monotonic()
        eventually(lambda: 401 in statuses(seen, token), "it is refused")  # noqa: B023
        current.append(whole.token())
    over.set()
    for thread in threads:
        thread.join(20)
    for secret, end in ends.items():
        assert {status for begun, status in seen[secret] if begun >= end} == {401}


def statuses(seen: dict[str, list[tuple[float, int]]], token: NewToken) -> set[int]:
    """What a token's requests were answered so far."""
    return {status for _, status in list(seen.get(token.token, []))}
