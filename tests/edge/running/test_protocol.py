"""Messages survive the wire, and nothing else passes for one."""

import orjson
import pytest

from edge.running import protocol
from edge.running.protocol import FunctionStatus, LastExit, ProcessStatus, ProtocolError

PROCESS = ProcessStatus("dep_1.1", "dep_1", "up", 12, 1.5, 4096, 2)
STATUS = FunctionStatus("one", "dep_1", "up", 1, 2, 3, 0.0, (PROCESS, PROCESS), None)
EXITED = LastExit(3.0, "exit status 1", ("a", "b"))
BROKEN = FunctionStatus("one", "dep_1", "backing off", 1, 2, 3, 0.5, (), EXITED)

MESSAGES = [
    protocol.Hello(1),
    protocol.Need("dep_1", 3),
    protocol.Load("dep_1", 0),
    protocol.Clear("dep_1.1"),
    protocol.Up("dep_1", "dep_1.1", "unix:/x", None),
    protocol.Up("dep_1", "dep_1.1", "http://127.0.0.1:1", 7),
    protocol.Leaving("dep_1", "dep_1.1"),
    protocol.Gone("dep_1", "dep_1.1"),
    protocol.Failed("dep_1", "two\nlines"),
    protocol.Synced(),
    protocol.StartTrial("t", "one", "{}", "ab", ""),
    protocol.Adopt("t", "dep_1"),
    protocol.Drop("t"),
    protocol.AskStatus("one"),
    protocol.Restart("one"),
    protocol.Said("é"),
    protocol.Ready("unix:/x"),
    protocol.Done(),
    protocol.Status(STATUS),
    protocol.Status(BROKEN),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_comes_back_from_its_line_as_it_was(message: protocol.Message) -> None:
    line = protocol.to_line(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert protocol.from_line(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"op":1}',
        b'{"op":"unheard"}',
        b'{"op":"hello"}',
        b'{"op":"hello","slot":"1"}',
        b'{"op":"hello","slot":true}',
        b'{"op":"hello","slot":1,"more":1}',
        b'{"op":"up","deployment":"d","instance":"i","address":null,"concurrency":1}',
        b'{"op":"status","status":null}',
        b'{"op":"status","status":{"slug":"x"}}',
        b'{"op":"said","text":"' + b"x" * protocol.LONGEST_LINE + b'"}',
    ],
    ids=lambda line: line[:40].decode(),
)
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.from_line(line)


def test_a_status_with_a_state_that_is_none_is_refused() -> None:
    line = orjson.loads(protocol.to_line(protocol.Status(STATUS)))
    line["status"]["state"] = "asleep"
    with pytest.raises(ProtocolError):
        protocol.from_line(orjson.dumps(line))


def test_a_message_too_long_for_a_line_is_not_written() -> None:
    with pytest.raises(ProtocolError):
        protocol.to_line(protocol.Said("x" * protocol.LONGEST_LINE))
