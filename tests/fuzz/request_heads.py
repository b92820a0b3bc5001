"""Heads of requests: what is taken is what h11 takes it for, however the bytes come."""

from collections.abc import Iterable

from edge.gate.decisions import GateSettings
from edge.server.heads import begun_method
from edge.server.requests import PREFACE, Ended, Http2Assumed, Opaque
from tests.edge.server.test_heads_against_h11 import SNIPPETS, is_read_alike
from tests.fuzz.pieces import ways_to_cut
from tests.support.request_bytes import SETTINGS, bodies, heads, read

SMALL = GateSettings(request_line=64, header_block=128, header_fields=8)
"""Limits that short inputs reach."""

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


def outcome(pieces: Iterable[bytes], settings: GateSettings) -> object:
    """What is read; of a body that turns out to be broken, how much came before is left open."""
    events, refused = read(pieces, settings)
    others = [event for event in events if isinstance(event, Ended | Opaque)]
    return heads(events), bodies(events), others, refused
