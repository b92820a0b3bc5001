"""What one worker tells, the others hear, and nothing that is no message disturbs them."""

from typing import Any

import pytest

from edge.state.peers import LONGEST_MESSAGE, Peers
from tests.support.wire import Wire


def listening(wire: Wire) -> list[list[Any]]:
    """What each worker hears of the topic `said`."""
    heard: list[list[Any]] = []
    for peers in wire.peers:
        heard.append([])
        peers.hear("said", heard[-1].append)
    return heard


@pytest.mark.parametrize("value", [None, "text", 1, [1, "a", None], {"a": [True]}])
def test_all_others_hear_what_is_told(value: object) -> None:
    wire = Wire(3)
    heard = listening(wire)
    wire.peers[1].tell("said", value)
    assert heard == [[value], [], [value]]


def test_one_worker_can_be_told_alone() -> None:
    wire = Wire(3)
    heard = listening(wire)
    wire.peers[0].tell("said", "for you", 2)
    assert heard == [[], [], ["for you"]]


def test_each_topic_has_its_handler_and_unknown_ones_are_ignored() -> None:
    wire, other = Wire(2), list[Any]()
    heard = listening(wire)
    wire.peers[1].hear("other", other.append)
    wire.peers[0].tell("said", 1)
    wire.peers[0].tell("other", 2)
    wire.peers[0].tell("never heard of", 3)
    assert (heard[1], other) == ([1], [2])


def test_a_worker_that_is_alone_tells_nobody() -> None:
    alone = Peers()
    assert alone.others == frozenset()
    alone.tell("said", 1)
    alone.tell("said", 1, 3)


def test_a_message_that_is_too_long_is_refused_where_it_is_told() -> None:
    wire = Wire(2)
    with pytest.raises(ValueError, match="message about said"):
        wire.peers[0].tell("said", "x" * LONGEST_MESSAGE)
    assert wire.told == 0


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"nothing",
        b'"said"',
        b'["said"]',
        b'["said",1,2]',
        b'[["said"],1]',
        b'{"said":1}',
        b"[" * 8000,
        b'["said","%b"]' % (b"x" * LONGEST_MESSAGE),
    ],
)
def test_what_is_no_message_is_ignored(message: bytes) -> None:
    wire = Wire(1)
    heard = listening(wire)
    wire.peers[0].heard(message)
    assert heard == [[]]
