"""The measuring of the store measures: every figure is there, and the page shows all of them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import store_report, store_scale, store_worker
from tests.benchmarks.store_build import Growing, secret_of
from tests.benchmarks.store_load import Latencies, Load
from tests.support.processes import ROOT
from tests.support.whole_edge import serving
from tokens import secret

QUIET, BUSY = Latencies(1_000, 0.001, 0.004, 0.03), Latencies(900, 0.002, 0.008, 0.04)


def zeros(kind: Any) -> Any:
    """Figures that nobody measured."""
    return kind(**dict.fromkeys((field.name for field in dataclasses.fields(kind)), 0))


@pytest.fixture
def found() -> dict[str, Any]:
    """What a run gives."""
    worker = dataclasses.replace(zeros(store_worker.Figures), hit=12.5e-6)
    served = dataclasses.replace(zeros(store_scale.Served), ready=1.25)
    size = store_scale.Size(10_000, 1_000_000, worker, served)
    revoked = store_scale.Revoked(150, (0.004, 0.02), (0.002, 0.01), QUIET, BUSY)
    listed = store_scale.Listed(1_000_000, 33.3, 9_000_000, 2_000_000, QUIET, BUSY)
    machine = dict.fromkeys(("cpu", "cpus", "memory", "system", "kernel"), "some")
    return {
        "began": "2026-01-02T03:04:05+00:00",
        "version": "9.9",
        "python": "3.99",
        "machine": machine,
        "sizes": [dataclasses.asdict(size)],
        "revoked": dataclasses.asdict(revoked),
        "listed": dataclasses.asdict(listed),
    }


def test_every_figure_is_shown() -> None:
    for kind, rows in (
        (store_worker.Figures, store_report.WORKER),
        (store_scale.Served, store_report.SERVED),
    ):
        shown = {key for _, key, _, _ in rows}
        assert shown == {field.name for field in dataclasses.fields(kind)}


def test_the_page_is_written_between_its_marks_and_as_often_as_one_likes(
    found: dict[str, Any],
) -> None:
    page = f"before\n{store_report.BEGIN}\nold\n{store_report.END}\nafter\n"
    once = store_report.written(page, found)
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    for shown in ("10,000 · 1,000,000", "12.5", "1.25", "jelou-edge 9.9", "33.3 s", "8.0"):
        assert shown in once
    assert store_report.written(once, found) == once


def test_a_store_grows_and_a_worker_is_measured_on_it(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "data")
    growing.grow(5, 10)
    growing.grow(5, 20)
    growing.close()
    command = [sys.executable, "-m", "tests.benchmarks.store_worker", str(tmp_path / "data")]
    done = subprocess.run([*command, "5", "20"], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    figures = store_worker.Figures(**json.loads(done.stdout))
    assert figures.tokens == 20
    assert min(figures.hit, figures.miss, figures.write, figures.page) > 0


def test_load_counts_good_answers_and_is_spoilt_by_another(tmp_path: Path) -> None:
    with Load() as load:
        growing = Growing(tmp_path / "data", load.url)
        growing.grow(1, 4)
        growing.close()
        tokens = [secret_of(f"token-{number}") for number in range(4)]
        with serving(tmp_path / "data") as edge:
            load.begin(edge.port, "/function-00000/items", tokens, 0.2)
            measured = load.end()
            assert 0 < measured.p50 <= measured.p99 <= measured.most
            assert measured.requests > 16
            load.begin(edge.port, "/function-00000/", [secret.mint(bytes)], 0.2)
            with pytest.raises(AssertionError, match="401"):
                load.end()
