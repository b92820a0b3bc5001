"""The prefix stands before the names of tools at the server, and nowhere at the client."""

import json

import pytest

from tests.conformance.prefix import Prefix

PREFIX = Prefix("shop__")
HEAD = [b"POST /mcp HTTP/1.1\r\n", b"content-length: 1\r\n", b"mcp-name: echo\r\n", b"\r\n"]


def test_a_call_names_the_tool_as_the_server_does_in_head_and_body() -> None:
    call = {"method": "tools/call", "params": {"name": "echo", "arguments": {"name": "echo"}}}

    head, _, body = PREFIX.asked(HEAD, json.dumps(call).encode()).partition(b"\r\n\r\n")

    params = {"name": "shop__echo", "arguments": {"name": "echo"}}
    assert json.loads(body) == {"method": "tools/call", "params": params}
    assert b"\r\nmcp-name: shop__echo" in head
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head


@pytest.mark.parametrize("body", [b"", b'{"method":"prompts/get","params":{"name":"echo"}}', b"[]"])
def test_what_calls_no_tool_is_not_changed(body: bytes) -> None:
    assert PREFIX.asked(HEAD, body) == b"".join([*HEAD, body])


@pytest.mark.parametrize("cut", range(1, 30))
def test_an_answer_is_as_long_and_means_the_same_without_the_prefix(cut: int) -> None:
    answer = b'[{"name":"shop__echo"},{"name":"shop"},"shop__echo"]'
    shown = PREFIX.shown()

    read = shown(answer[:cut]) + shown(answer[cut:]) + shown(b"")

    assert len(read) == len(answer)
    assert json.loads(read) == [{"name": "echo"}, {"name": "shop"}, "shop__echo"]
