"""The opening handshake of a WebSocket: what is whole, and what a 101 must prove."""

import pytest

from edge.forwarding.opening import (
    NotAWebSocket,
    check_accept,
    is_complete,
    new_key,
    own_handshake,
)
from edge.message import Headers

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
PROOF = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Of RFC 6455 §1.3."""

VERSION = (b"sec-websocket-version", b"13")
SENT: Headers = ((b"sec-websocket-key", KEY), VERSION)
UPGRADE = (b"upgrade", b"websocket")
ACCEPT = (b"sec-websocket-accept", PROOF)
DEFLATE = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits, x-other")
PROTOCOLS = (b"sec-websocket-protocol", b"v1, v2")


@pytest.mark.parametrize(
    ("answered", "sent", "chosen"),
    [
        ((UPGRADE, ACCEPT), SENT, None),
        (((b"upgrade", b"WebSocket"), ACCEPT), SENT, None),
        ((UPGRADE, ACCEPT, (b"sec-websocket-protocol", b"v2")), (*SENT, PROTOCOLS), "v2"),
        ((UPGRADE, ACCEPT), (*SENT, PROTOCOLS, DEFLATE), None),
        (
            (UPGRADE, ACCEPT, (b"sec-websocket-extensions", b"Permessage-Deflate ;a=1")),
            (*SENT, DEFLATE),
            None,
        ),
    ],
)
def test_a_101_that_proves_it_is_accepted(
    answered: Headers, sent: Headers, chosen: str | None
) -> None:
    assert check_accept(answered, sent) == chosen


@pytest.mark.parametrize(
    ("answered", "sent"),
    [
        ((UPGRADE,), SENT),
        ((ACCEPT,), SENT),
        (((b"upgrade", b"h2c"), ACCEPT), SENT),
        ((UPGRADE, ACCEPT, ACCEPT), SENT),
        ((UPGRADE, (b"sec-websocket-accept", PROOF.lower())), SENT),
        ((UPGRADE, (b"sec-websocket-accept", KEY)), SENT),
        ((UPGRADE, ACCEPT), ((b"sec-websocket-key", new_key(b"x" * 16)), VERSION)),
        ((UPGRADE, ACCEPT, (b"sec-websocket-extensions", b"permessage-deflate")), SENT),
        ((UPGRADE, ACCEPT, (b"sec-websocket-extensions", b"x-own")), (*SENT, DEFLATE)),
        ((UPGRADE, ACCEPT, (b"sec-websocket-protocol", b"v1")), SENT),
        ((UPGRADE, ACCEPT, (b"sec-websocket-protocol", b"v3")), (*SENT, PROTOCOLS)),
        ((UPGRADE, ACCEPT, (b"sec-websocket-protocol", b"v1, v2")), (*SENT, PROTOCOLS)),
        ((UPGRADE, ACCEPT, *[(b"sec-websocket-protocol", b"v1")] * 2), (*SENT, PROTOCOLS)),
    ],
)
def test_a_101_that_does_not_is_refused(answered: Headers, sent: Headers) -> None:
    with pytest.raises(NotAWebSocket):
        check_accept(answered, sent)


def test_a_handshake_of_the_edges_own_has_its_key_and_no_extensions() -> None:
    sent = own_handshake((*SENT, DEFLATE, PROTOCOLS, (b"cookie", b"a=1")), new_key(b"y" * 16))
    assert is_complete(sent)
    assert (b"sec-websocket-key", KEY) not in sent
    assert DEFLATE not in sent
    assert {PROTOCOLS, (b"cookie", b"a=1")} <= set(sent)


@pytest.mark.parametrize(
    "sent",
    [
        (),
        (VERSION,),
        ((b"sec-websocket-key", KEY),),
        ((b"sec-websocket-key", KEY), (b"sec-websocket-version", b"8")),
        ((b"sec-websocket-key", b"short"), VERSION),
        ((b"sec-websocket-key", KEY + b"x"), VERSION),
        (*SENT, VERSION),
        (*SENT, (b"sec-websocket-key", KEY)),
    ],
)
def test_a_handshake_that_lacks_something_or_says_it_twice_is_not_complete(sent: Headers) -> None:
    assert is_complete(SENT)
    assert not is_complete(sent)
