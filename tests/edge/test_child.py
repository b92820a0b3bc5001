"""What a child says of its start: once, as one line, and never to anybody else."""

import os

from edge.child import Start


def test_what_is_said_of_a_start_is_one_line_and_the_pipe_ends() -> None:
    reading, writing = os.pipe()
    Start(writing).say("no\nsuch\nthing")
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"no such thing\n"


def test_what_comes_later_is_not_written_to_who_has_the_number_now() -> None:
    reading, writing = os.pipe()
    start = Start(writing)
    start.say("ready")
    other = os.memfd_create("other")
    try:
        os.dup2(other, writing)
        start.say("broken")
        assert os.fstat(writing).st_size == 0
    finally:
        for descriptor in {reading, writing, other}:
            os.close(descriptor)


def test_that_nobody_listens_harms_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Start(writing).say("ready")
