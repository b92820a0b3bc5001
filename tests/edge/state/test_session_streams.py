"""A session has one stream: the last that it opened, in whichever worker."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.state.session_streams import SessionStreams
from tests.support.wire import Wire


@dataclass
class Workers:
    """Workers that share a clock, which goes on with each look at it unless it is halted."""

    wire: Wire
    now: int = 0
    step: int = 1
    of: list[SessionStreams] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of = [SessionStreams(peers, self.clock) for peers in self.wire.peers]

    def clock(self) -> int:
        self.now += self.step
        return self.now


@dataclass
class Opened:
    """A stream; when it is ended it leaves, as a real one does."""

    streams: SessionStreams
    nonce: str = "n1"
    ended: int = 0

    def __post_init__(self) -> None:
        self.streams.take(self.nonce, self.end)

    def end(self) -> None:
        self.ended += 1
        self.leave()

    def leave(self) -> None:
        self.streams.leave(self.nonce, self.end)


@pytest.mark.parametrize("second", [0, 1, 2])
def test_a_second_stream_ends_the_first_once_wherever_it_is(second: int) -> None:
    workers = Workers(Wire(3))
    first = Opened(workers.of[0])
    then = Opened(workers.of[second])
    assert (first.ended, then.ended) == (1, 0)
    third = Opened(workers.of[0])
    assert (first.ended, then.ended, third.ended) == (1, 1, 0)
    assert sum(map(len, workers.of)) == 1


def test_streams_of_other_sessions_go_on() -> None:
    workers = Workers(Wire(2))
    mine, other = Opened(workers.of[0], "mine"), Opened(workers.of[0], "other")
    Opened(workers.of[1], "mine")
    assert (mine.ended, other.ended) == (1, 0)


def test_a_stream_that_has_left_is_not_ended() -> None:
    workers = Workers(Wire(2))
    first = Opened(workers.of[0])
    first.leave()
    assert len(workers.of[0]) == 0
    Opened(workers.of[1])
    assert first.ended == 0


def test_a_stream_that_leaves_late_does_not_take_the_place_from_the_next() -> None:
    workers = Workers(Wire(2))
    first = Opened(workers.of[0])
    second = Opened(workers.of[0])
    first.leave()
    Opened(workers.of[1])
    assert second.ended == 1


@given(slots=st.lists(st.integers(0, 2), min_size=1, max_size=6), step=st.integers(0, 1))
def test_of_streams_that_open_at_once_exactly_one_goes_on(slots: list[int], step: int) -> None:
    wire = Wire(3, by_hand=True)
    workers = Workers(wire, step=step)
    opened = [Opened(workers.of[slot]) for slot in slots]
    wire.flow()
    left = [stream for stream in opened if not stream.ended]
    assert len(left) == 1
    assert all(stream.ended <= 1 for stream in opened)
    if step:
        assert left == opened[-1:]


def test_word_that_was_meant_for_a_dead_worker_does_not_end_what_its_replacement_opened() -> None:
    wire = Wire(2, by_hand=True)
    workers = Workers(wire)
    Opened(workers.of[0])
    replacement = SessionStreams(wire.replace(1), workers.clock)
    later = Opened(replacement)
    wire.flow()
    assert later.ended == 0
    assert len(workers.of[0]) == 0


@pytest.mark.parametrize("value", [None, [], ["n1"], ["n1", "9", 1], [1, 9, 1], {"n1": 9}])
def test_word_of_another_form_is_ignored(value: object) -> None:
    workers = Workers(Wire(2))
    mine = Opened(workers.of[0])
    workers.wire.peers[1].tell("session_streams.taken", value)
    assert mine.ended == 0
