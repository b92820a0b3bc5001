"""A plugin of pytest: no token in anything that the edge writes while any test runs.

What is scanned: all that programs started by `tests.support.processes` say, and at the end of each
test every file of a data directory. What is looked for: whatever has the form of a token, raw,
percent-encoded or in base64; and of the tokens known here, their random part by itself, raw or in
base64. A test in whose time one is found fails, with the place and never the token.

Known are the tokens minted in this process, and those that a program shows because it is its job.
"""

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tokens import secret
from tokens.database import FILE

SHOWS_A_TOKEN = frozenset(
    {
        ("access", "create"),
        ("connect",),
        ("deploy",),
        ("dev",),
        ("init",),
        ("make", "run"),
        ("mcp", "config"),
        ("run.py",),
        ("serve", "--project"),
        ("tokens", "create"),
        ("tokens", "rotate"),
    }
)
"""Commands whose stdout hands a token out, once (docs/cli.md), and what `make run` starts."""

PREFIXES = (secret.RUNTIME, secret.ACCESS)
MOST = 2000
"""Tokens that are known at a time; tests of scale mint them by the ten thousand."""

MADE_UP = 8
"""A random part of fewer different characters is a test's own, as 32 zeros are, and other things
have its form as well."""

_SIZE, _STEP = 24, 9
"""Of 32 characters in a row, so many stand at a multiple of the step, wherever they begin."""

_known: set[bytes] = set()
_found: list[str] = []


# --- what is looked for -------------------------------------------------------------------------


def _in_base64(text: bytes) -> list[bytes]:
    """What stands of a text in base64, whatever stands before and after it: three ways."""
    shifted = (base64.b64encode(bytes(n) + text + bytes(3)) for n in range(3))
    return [whole[-(-8 * n // 6) : 8 * (n + len(text)) // 6] for n, whole in enumerate(shifted)]


_RAW = rb"jfn_(?:rt|pat)_([0-9A-Za-z]{32})[0-9A-Za-z]{6}"
_ESCAPED = _RAW.replace(b"_", rb"(?:_|%(?:25)*5[fF])")
_FORMS = {
    b"jfn": re.compile(_ESCAPED),
    **{
        begin: re.compile(re.escape(begin) + rb"[0-9A-Za-z+/_-]{48}")
        for prefix in PREFIXES
        for begin in _in_base64(prefix.encode())
    },
}
"""Each with what it begins with, which is looked for first: that is fast."""

_ZEROS = bytes(1024)
_TOKEN = re.compile(_RAW)
_RUN = re.compile(rb"[0-9A-Za-z+/][0-9A-Za-z+/]{31,}")  # in two, so that sre skips what is neither


def learn(text: bytes) -> None:
    """Remember every token in a text."""
    for random in _TOKEN.findall(text):
        if len(set(random)) < MADE_UP:
            continue
        if len(_known) > MOST * 4 * _STEP:
            _known.clear()
        for form in (random, *_in_base64(random)):
            _known.update(form[at : at + _SIZE] for at in range(_STEP))


def places(data: bytes) -> Iterator[int]:
    """Where tokens stand in it, or about where their random parts do."""
    for begin, end in _written(data):
        yield from (begin + at for at in _within(data[begin:end]))


def _written(data: bytes) -> Iterator[tuple[int, int]]:
    """What lies between pages of zeros, of which there are most in a table of rates."""
    begin = 0
    for at in range(0, len(data), len(_ZEROS)):
        if data.startswith(_ZEROS, at):
            if at > begin:
                yield begin, at
            begin = at + len(_ZEROS)
    if begin < len(data):
        yield begin, len(data)


def _within(data: bytes) -> Iterator[int]:
    for begin, form in _FORMS.items():
        if begin in data:
            yield from (found.start() for found in form.finditer(data))
    for run in _RUN.finditer(data) if _known else ():
        for at in range(run.start(), run.end() - _SIZE + 1, _STEP):
            if data[at : at + _SIZE] in _known:
                yield at


# --- what is scanned ----------------------------------------------------------------------------


def said(words: Sequence[str], stdout: str, stderr: str) -> None:
    """A program has said this, all in all; the words are those that tell `jelou` what to do."""
    name = " ".join(words[:2]) or "another program"
    if SHOWS_A_TOKEN.isdisjoint([(*words[:1],), (*words[:2],), _with_projects(words)]):
        _scan(f"stdout of {name}", stdout.encode())
    else:
        learn(stdout.encode())
    _scan(f"stderr of {name}", stderr.encode())


def _with_projects(words: Sequence[str]) -> tuple[str, ...]:
    return (*words[:1], "--project") if "--project" in words else ()


def written(directory: Path) -> None:
    """Look into every file of each data directory at or below this one."""
    for store in directory.rglob(FILE):
        for file in store.parent.rglob("*"):
            if file.is_file() and not file.is_symlink():
                with suppress(FileNotFoundError):  # SQLite's own come and go
                    _scan(str(file), file.read_bytes())


def _scan(name: str, data: bytes) -> None:
    _found.extend(f"{name}, at byte {place}" for place in places(data))


# --- the plugin ---------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Hear of every token that is minted in this process."""
    secret.mint = _remembering(secret.mint)


def _remembering(mint: Callable[..., str]) -> Callable[..., str]:
    def remembered(*arguments: object) -> str:
        made = mint(*arguments)
        learn(made.encode())
        return made

    return remembered


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail the test in whose time a token was found."""
    yield
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if directory is not None:
        written(directory)
    found, _found[:] = list(_found), []
    if found:
        pytest.fail("a token stands in\n" + "\n".join(found), pytrace=False)
