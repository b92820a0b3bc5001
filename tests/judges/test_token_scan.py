"""The scan of all that tests make the edge write bites: what it finds, and that the test fails."""

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.processes import ROOT, run
from tests.support.token_scan import learn, places
from tokens import secret

RANDOM_PART = slice(-38, -6)


def shifted(text: bytes, by: int) -> bytes:
    return base64.b64encode(b"x" * by + text + b"yz")


LEAKS: dict[str, Callable[[str], bytes]] = {
    "raw": str.encode,
    "amid letters": lambda token: b"abc" + token.encode() + b"def",
    "percent-encoded": lambda token: quote(token).replace("_", "%5F").encode(),
    "percent-encoded twice": lambda token: token.replace("_", "%255f").encode(),
    "in base64": lambda token: shifted(token.encode(), 0),
    "in base64, one later": lambda token: shifted(b'"' + token.encode() + b'"', 0),
    "in base64, two later": lambda token: shifted(token.encode(), 2),
    "its random part": lambda token: b"abc" + token[RANDOM_PART].encode() + b"def",
    "its random part in base64": lambda token: shifted(token[RANDOM_PART].encode(), 0),
    "its random part in base64, one later": lambda token: shifted(token[RANDOM_PART].encode(), 1),
    "its random part in base64, two later": lambda token: shifted(token[RANDOM_PART].encode(), 2),
}
NONE: dict[str, Callable[[str], bytes]] = {
    "the hint": lambda token: f"{token[:11]}..".encode(),
    "the digest": lambda token: secret.digest(token).hex().encode(),
    "the digest in base64": lambda token: base64.b64encode(secret.digest(token)),
    "blacked out": lambda token: secret.redact(token).encode(),
    "half of it": lambda token: token[:24].encode(),
}


@pytest.mark.parametrize("prefix", [secret.RUNTIME, secret.ACCESS])
@pytest.mark.parametrize("leak", LEAKS)
def test_a_token_is_found_however_it_stands(prefix: str, leak: str) -> None:
    token = secret.mint(os.urandom, prefix)
    learn(token.encode())
    before = b"some words, 123\n" * 40
    assert min(places(before + LEAKS[leak](token) + b"\nmore")) >= len(before)


@pytest.mark.parametrize("innocent", NONE)
def test_what_is_no_token_is_not_taken_for_one(innocent: str) -> None:
    token = secret.mint(os.urandom)
    learn(token.encode())
    assert list(places(b"some words " + NONE[innocent](token) + b" and more")) == []


TESTS = """
import os
import sys
from tests.support.processes import JELOU, run
from tokens import secret

TOKEN = secret.mint(os.urandom)

def test_a_file(tmp_path):
    data_dir = tmp_path / "deep" / "data"
    data_dir.mkdir(parents=True)
    (data_dir / "edge.db").touch()
    (data_dir / "said.log").write_text("12345 " + TOKEN[7:39])

def test_an_output():
    run([sys.executable, "-c", "import sys; print(sys.argv[1])", TOKEN])

def test_nothing(tmp_path):
    assert run([*JELOU, "tokens", "--help"]).returncode == 0
    (tmp_path / "elsewhere").write_text(TOKEN)
"""


def test_a_test_in_whose_time_one_leaks_fails_with_the_place_and_not_the_token(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_leaking.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.token_scan", "--tb=short"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = run(command, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert done.returncode == 1
    assert "3 passed, 2 errors" in done.stdout
    assert "deep/data/said.log, at byte 6" in done.stdout
    assert "stdout of another program, at byte 0" in done.stdout
    assert list(places(done.stdout.encode())) == []
