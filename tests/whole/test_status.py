"""`jelou status` tells of every worker, and of what does not stay up; on one screen."""

import os
import signal
from pathlib import Path

from tests.support.edge import isolated, jelou
from tests.support.processes import JELOU, run
from tests.support.whole_edge import serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually


def test_every_worker_is_told_with_how_far_it_is(tmp_path: Path, origin: Function) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir, workers=3) as edge:
        edge.deploy("shop", origin.url)
        first = edge.operations.status()
        assert first.running
        assert [worker.pid for worker in first.workers] == sorted(
            edge.workers, key=[worker.pid for worker in first.workers].index
        )
        assert (first.functions, first.states) == (1, {"upstream": 1})

        def is_applied() -> bool:
            found = edge.operations.status()
            return {worker.generation for worker in found.workers} == {found.generation}

        edge.operations.create_token("shop", "more")
        eventually(is_applied, "every worker has applied the change")
        os.kill(edge.workers[0], signal.SIGSTOP)
        stopped = edge.workers[0]
        try:
            silent = [edge.operations.status().silent for _ in range(3)]
            assert any(len(slots) == 1 for slots in silent)
        finally:
            os.kill(stopped, signal.SIGCONT)
        command = [*JELOU, "status", "--data-dir", str(data_dir)]
        said = run(command, env=isolated(data_dir)).stdout
        assert said.startswith("✓ An edge runs since ")
        assert len(said.splitlines()) < 24
    assert jelou(data_dir, "status")["running"] is False
