"""Functions in real processes: started on demand, watched, ended, and nothing left of them."""

from pathlib import Path

from edge.running.protocol import Leaving, Load, Need
from tests.support.runner import Running, ask, running
from tests.support.whole_processes import eventually, is_alive


def test_a_function_that_nobody_asks_for_has_no_process(tmp_path: Path) -> None:
    with running(tmp_path) as edge:
        edge.store.deploy_source()
        eventually(lambda: known(edge, "one"), "the runner knows it")
        status = edge.client.status("one")
        assert status.state == "sleeping"
        assert status.processes == ()


def test_a_request_that_waits_starts_one_process_which_answers(tmp_path: Path) -> None:
    with running(tmp_path) as edge, edge.worker() as worker:
        up = worker.wake(edge.store.deploy_source())
        assert ask(up.address) == up.instance
        status = edge.client.status("one")
        assert status.state == "up"
        assert [process.instance for process in status.processes] == [up.instance]
        assert status.processes[0].memory > 0
    assert not is_alive(status.processes[0].pid)


def known(edge: Running, slug: str) -> bool:
    from edge.running.runs import RunFailed

    try:
        edge.client.status(slug)
    except RunFailed:
        return False
    return True
