"""A fault on purpose, which the fuzzer has to find: a body that is whole and not empty is one."""

from edge.errors import EdgeError
from edge.server.body import RequestBody

WORDS = (b"\r\n", b"5\r\n", b"0\r\n\r\n", b"hello", b";a=b")


def check(data: bytes) -> None:
    """Any bytes as a chunked body."""
    body = RequestBody(None)
    try:
        content = body.feed(data)
    except EdgeError:
        return
    assert not (body.complete and content), "planted"
