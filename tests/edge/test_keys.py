"""Keys are rotated while workers run: what any of them signs, every other one can verify."""

import json
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.keys import (
    DELAY,
    KEPT,
    KeyFile,
    KeyRecord,
    KeysError,
    ensure,
    load,
    rotate,
    rotated,
    usable,
)
from edge.state.kept import sealing_keys, session_keys
from mcp_bridge.session import MAX_AGE, SessionKey, open_session, sign, verify

DAY = 24 * 3600.0


@dataclass
class Clock:
    """Unix and monotonic seconds at once; a test sets them."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    ensure(path, os.urandom)
    return path


def worker(file: Path, clock: Clock) -> KeyFile:
    return KeyFile(file, clock, clock)


def record(kid: str, signs_from: float = 0.0) -> KeyRecord:
    return KeyRecord(SessionKey(kid, b"s" * 32), signs_from, signs_from)


def kids(records: tuple[KeyRecord, ...]) -> list[str]:
    return [one.key.kid for one in records]


def test_a_first_key_signs_at_once(file: Path, clock: Clock) -> None:
    (key,) = worker(file, clock).keys()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert worker(file, clock).keys()[0] == key


def test_a_running_worker_takes_a_new_key_up(file: Path, clock: Clock) -> None:
    running = worker(file, clock)
    old = running.keys()[0]
    new = rotate(file, os.urandom, clock())[0].key
    clock.now += DELAY
    assert running.keys()[0] == new
    assert running.keys()[1:] == (old,)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(os.listdir(file.parent)) == ["keys.json", "mcp-keys.lock"]


@pytest.mark.slow
@given(
    st.lists(
        st.one_of(
            st.just("rotate"),
            st.just("replace"),
            st.tuples(st.integers(0, 2), st.integers(0, 2)),
            st.floats(0, 30),
            st.sampled_from([1.0, DELAY, 3 * DAY]),
        ),
        max_size=30,
    )
)
def test_whatever_one_worker_signs_every_other_verifies(steps: list[object]) -> None:
    """Workers look, rest, are replaced; keys are rotated at any time, as often as one likes."""
    with tempfile.TemporaryDirectory() as directory:
        file, clock = Path(directory) / "keys.json", Clock()
        ensure(file, os.urandom)
        workers = [worker(file, clock) for _ in range(3)]
        issued: list[tuple[float, str]] = []
        for step in steps:
            if step == "rotate":
                rotate(file, os.urandom, clock())
            elif step == "replace":
                workers[0] = worker(file, clock)
            elif isinstance(step, float):
                clock.now += step
            elif isinstance(step, tuple):
                session = open_session("f", "tok_a", "2025-11-25", clock(), os.urandom)
                issued.append((clock(), sign(session, workers[step[0]].keys())))
            for at, text in issued:
                alive = clock() < int(at) + MAX_AGE
                for one in workers:
                    known = verify(text, one.keys(), function="f", lineage="tok_a", now=clock())
                    assert (known is not None) is alive


def test_made_up_ids_cost_no_look_at_the_file(
    file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, looks, real = worker(file, clock), [], os.stat
    monkeypatch.setattr(os, "stat", lambda path: looks.append(path) or real(path))
    for number in range(1000):
        known = running.keys()
        assert all(key.kid != f"k{number}" for key in known)
    assert looks == []
    clock.now += 1.0
    for number in range(1000):
        known = running.keys()
        assert all(key.kid != f"k{number}" for key in known)
    assert looks == [file]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"[1]", b'[{"kid": "k"}]', b"null"])
def test_a_file_that_breaks_takes_no_key_away_and_says_so_at_the_next_start(
    file: Path, clock: Clock, content: bytes | None
) -> None:
    running, good = worker(file, clock), file.read_bytes()
    key = running.keys()[0]
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    clock.now += 2
    assert running.keys()[0] == key
    with pytest.raises(KeysError, match="restore it"):
        worker(file, clock)
    file.write_bytes(good)
    new = rotate(file, os.urandom, clock())[0].key
    clock.now += DELAY
    assert running.keys()[0] == new


def test_an_old_key_is_kept_by_when_its_successor_began_not_by_its_own_age() -> None:
    now = 1_000_000.0
    ancient = record("a", now - 300 * DAY)
    both = rotated([ancient], record("b", now), now)
    assert kids(both) == ["b", "a"]
    later = now + KEPT - 1
    three = rotated(both, record("c", later), later)
    assert kids(three) == ["c", "b", "a"]
    assert kids(rotated(three, record("d", later + 2), later + 2)) == ["d", "c", "b"]


def test_a_key_signs_from_its_time_on_and_is_accepted_before() -> None:
    records = [record("c", 300), record("b", 200), record("a", 100)]
    signing = {now: usable(records, now)[0].kid for now in (50, 100, 199, 200, 299, 300)}
    assert signing == {50: "a", 100: "a", 199: "a", 200: "b", 299: "b", 300: "c"}
    assert sorted(key.kid for key in usable(records, 150)) == ["a", "b", "c"]


def test_nobody_can_make_a_key_sign_sooner_than_workers_look(file: Path) -> None:
    assert rotate(file, os.urandom, 1000.0, delay=0)[0].signs_from == 1000.0 + DELAY
    assert rotate(file, os.urandom, 1000.0, delay=600)[0].signs_from == 1600.0


def test_a_file_of_before_there_were_times_is_read_and_rotated(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([{"kid": "old", "secret": "ab" * 32}]))
    assert kids(rotate(path, os.urandom, 1_000_000.0))[1] == "old"
    assert load(path)[1] == replace(load(path)[1], created=0.0, signs_from=0.0)


def test_rotations_at_once_lose_no_key(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: rotate(file, os.urandom, 1000.0)[0], range(8)))
    assert {one.key.kid for one in made} < set(kids(load(file)))


def test_sessions_and_seals_have_files_of_their_own(tmp_path: Path) -> None:
    sessions, seals = (made(tmp_path, os.urandom) for made in (session_keys, sealing_keys))
    assert sessions.keys()[0] != seals.keys()[0]
    assert session_keys(tmp_path, os.urandom).keys()[0] == sessions.keys()[0]
    assert sealing_keys(tmp_path, os.urandom).keys()[0] == seals.keys()[0]
    for name in ("mcp-session-keys.json", "mcp-sealing-keys.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_no_secret_shows_in_a_repr(file: Path, clock: Clock) -> None:
    running = worker(file, clock)
    assert running.keys()[0].secret.hex() not in repr((load(file), running, running.keys()[0]))
    assert repr(running.keys()[0].secret) not in repr((load(file), running.keys()[0]))
