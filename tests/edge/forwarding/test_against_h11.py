"""What our reader takes for a whole answer, h11 takes for the same answer.

A proxy that sees another message than its neighbours do is how answers are smuggled.
"""

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.forwarding.parse import InvalidAnswer
from edge.forwarding.reader import AnswerReader

SEEDS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
)
TAMPERING = b"\r\n,\n,\r,\x00,:, ,\t,;,0,5,f,-,+,\x0b,\xff,HTTP/1.1".split(
    b","
) + b"Content-Length: 5\r\n,Transfer-Encoding: chunked\r\n,Connection: close\r\n".split(b",")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An answer that someone has tampered with in a few places."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        dropped = draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from(TAMPERING)) + data[at + dropped :]
    return data


def by_h11(data: bytes) -> tuple[int, bytes] | None:
    """Status and body of the answer, or None if it is invalid or incomplete."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    status, body = 0, b""
    try:
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif event is h11.NEED_DATA or event is h11.PAUSED:
                return None
    except h11.RemoteProtocolError:
        return None


def check_against_h11(data: bytes) -> None:
    """An answer that is taken whole is the one that h11 sees."""
    reader = AnswerReader(b"GET")
    try:
        body = reader.feed(data)
    except InvalidAnswer:
        return
    if reader.complete and reader.head is not None:
        assert by_h11(data) == (reader.head.status, body)


@settings(max_examples=400)
@given(mutated())
def test_an_answer_that_is_taken_is_the_one_that_h11_sees(data: bytes) -> None:
    check_against_h11(data)
