"""A newcomer's first minute: a clean clone, ``make run``, one pasted line."""

import json
from pathlib import Path

import pytest

from tests.examples.test_run import paste, printed, without_token
from tests.support.curl import UNAUTHORIZED
from tests.support.processes import ROOT, run, started

INSTALL_SECONDS = 240.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_in_a_clean_clone_make_run_prints_a_line_that_works(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    cloned = run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)])
    assert cloned.returncode == 0, cloned.stderr
    env = {"JELOU_BIND": "127.0.0.1:0", "MAKEFLAGS": "", "HOME": str(tmp_path)}
    command = ["make", "-C", str(clone), "run"]

    with started(command, "curl -X POST ", env=env, seconds=INSTALL_SECONDS) as program:
        line = printed(program).curl

        assert json.loads(paste(line))["name"] == "Ana Torres"
        assert paste(without_token(line)) == UNAUTHORIZED
