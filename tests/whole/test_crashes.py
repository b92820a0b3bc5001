"""Workers that die at any moment cost nothing that was acknowledged, and nobody stays unserved."""

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from edge.admin.client import RemoteOperations, UnixTransport
from edge.admin.errors import AdminError
from tests.support.store_process import StoreProcess
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually

SLUG = "shop"
ROUNDS = 4


def kill_a_worker(edge: Edge, index: int) -> None:
    """SIGKILL a worker and wait until there are as many again."""
    workers = edge.workers
    os.kill(workers[index % len(workers)], signal.SIGKILL)
    eventually(lambda: len(set(edge.workers) - set(workers)) == 1, "the worker is replaced")


@pytest.mark.slow
def test_callers_wait_for_a_replacement_when_every_worker_is_killed(
    tmp_path: Path, origin: Function
) -> None:
    with serving(tmp_path / "data", workers=2) as edge:
        token = edge.deploy(SLUG, origin.url).token
        for worker in edge.workers:
            os.kill(worker, signal.SIGKILL)
        callers = [edge.caller().send(f"/{SLUG}/hello", token) for _ in range(20)]
        assert {caller.receive().status for caller in callers} == {200}


@dataclass
class Manager:
    """Makes and revokes tokens without end, and remembers what was acknowledged."""

    operations: RemoteOperations
    name: str
    live: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Work until it is over; a call fails when the worker that was asked dies."""
        for number in count():
            if self.over.is_set():
                return
            with suppress(AdminError):
                made = self.operations.create_token(SLUG, f"{self.name}-{number}")
                if number % 2:
                    self.operations.revoke_token(SLUG, made.id)
                    self.revoked.append(made.token)
                else:
                    self.live.append(made.token)


def test_no_acknowledged_token_or_revocation_is_lost_while_workers_are_killed(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, workers=2) as edge, StoreProcess(data_dir) as outsider:
        edge.deploy(SLUG, origin.url)
        outsider.open()
        socket = UnixTransport(data_dir / "admin.sock")
        managers = [Manager(RemoteOperations(socket), name) for name in ("one", "two")]
        threads = [threading.Thread(target=manager.run) for manager in managers]
        for thread in threads:
            thread.start()
        live = []
        for number in range(ROUNDS):
            live.append(outsider.ask("create", SLUG, f"outside-{number}"))
            kill_a_worker(edge, number)
        for manager, thread in zip(managers, threads, strict=True):
            manager.over.set()
            thread.join(20)
        live += [token for manager in managers for token in manager.live[-100:]]
        revoked = [token for manager in managers for token in manager.revoked[-100:]]
        with edge.caller_of_each_worker() as callers:
            for caller in callers.values():
                assert {caller.ask(f"/{SLUG}/hello", token).status for token in live} == {200}
                assert {caller.ask(f"/{SLUG}/hello", token).status for token in revoked} == {401}
