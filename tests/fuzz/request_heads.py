"""Heads of requests: what is taken is what h11 takes it for, however the bytes come."""

from edge.server.heads import begun_method
from edge.server.requests import PREFACE, Http2Assumed
from tests.edge.server.test_heads import SMALL
from tests.edge.server.test_heads_against_h11 import SNIPPETS, is_read_alike
from tests.fuzz.pieces import ways_to_cut
from tests.support.request_bytes import SETTINGS, outcome, read

WORDS = (
    *SNIPPETS, b"GET ", b"POST ", b"OPTIONS * ", b"CONNECT ", b"http://", b"https://a@b", PREFACE,
    b"\r\nHost: ", b"[::1]", b":65535", b"\r\nConnection: upgrade\r\nUpgrade: websocket",
    b"\r\nSec-WebSocket-Key: ", b"host, close", b"X-Jelou-Token: jfn_rt_", b"%2e%2e/",
    b"999999999999999999",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes as the start of a connection."""
    if data.startswith(PREFACE):
        assert read([data]) == ([Http2Assumed(data)], None)
        return  # nothing is read behind it here
    is_read_alike(data)
    for settings in (SETTINGS, SMALL):
        whole = outcome([data], settings)
        for pieces in ways_to_cut(data):
            assert outcome(pieces, settings) == whole, "it depends on how the bytes are cut"
    assert data.startswith(begun_method(data).encode())
