"""Events hold whatever JSON says, and nothing in it ends one or begins another."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.event_stream import COMMENT, event, opening
from mcp_bridge.jsontext import dump
from tests.support.mcp_attacker import events

TEXTS = st.text() | st.text("\r\n\u2028\u2029\x85\x0b\x0c\0:data ", max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
)


@given(st.lists(VALUES, max_size=3))
def test_each_message_is_one_event(values: list[Any]) -> None:
    stream = opening("a") + b"".join(COMMENT + event(dump(value), "b") for value in values)
    assert events(stream) == values
