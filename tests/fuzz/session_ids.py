"""What clients carry back, sessions and sealed state: nothing forged opens, what was made does."""

import random
import zlib

from mcp_bridge.revisions import HANDSHAKE
from mcp_bridge.sealing import MAX_PLAIN, seal, unseal
from mcp_bridge.session import MAX_AGE, MAX_LENGTH, Session, SessionKey, sign, verify
from mcp_bridge.state import Call, open_state, seal_state
from mcp_bridge.upstream_session import (
    Opening,
    UpstreamSession,
    opening_of,
    seal_session,
    unseal_session,
)

KEYS = (SessionKey("k1", b"a" * 32), SessionKey("k0", b"b" * 32))
NOW = 1_800_000_000
BOUND = ("state", "shop", "tok_a")
CALL = Call("shop", "tok_a", "buy", "d" * 64)


def noise(size: int) -> bytes:
    """The same bytes in each process, so that seeds stay what they are."""
    return b"n" * size


SESSION = Session("shop", "tok_a", HANDSHAKE[-1], NOW, "bm5ubm5ubm5ubm5ubm5ubg")
UPSTREAM = UpstreamSession(NOW, "6e" * 16, "a-session", {"clientInfo": {"name": "x"}})
SIGNED = sign(SESSION, KEYS)
SIGNED_BEFORE = sign(SESSION, KEYS[1:])
SEALED = seal(b"plain", BOUND, KEYS, noise)
SEALED_SESSION = seal_session(UPSTREAM, "shop", "tok_a", KEYS, noise)
SEALED_STATE = seal_state("waiting", CALL, KEYS, NOW, noise)

WORDS = (
    b"v1.", b"v1.k1.", b"v1.k0.", b"v2.", b".", b"=", b"-", b"_", b"+", b"/", b"A", b"bm5u", b"\n",
    b"\x00", b" ", b"\xff", b'{"method":"initialize","id":1,"params":{', b'"_meta":{}',
    b'"id":null', b'"clientInfo":{"name":"', b'"capabilities":{}}}', b"99999999999999999999999",
    b"\\ud800",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes as what a client brings, and as what stands in what is made for it."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        _check_brought(text)
    _check_sealed(data)
    _check_signed(data.decode("latin-1"))
    _check_upstream(data)


def _check_brought(text: str) -> None:
    """Of all texts only those that were made open, and for nobody else."""
    found = verify(text, KEYS, function="shop", lineage="tok_a", now=NOW)
    assert found == (SESSION if text in {SIGNED, SIGNED_BEFORE} else None)
    assert verify(text, KEYS, function="shop", lineage="tok_b", now=NOW) is None
    assert verify(text, KEYS, function="shop", lineage="tok_a", now=NOW + MAX_AGE) is None
    assert unseal(text, BOUND, KEYS) == (b"plain" if text == SEALED else None)
    assert unseal(text, (*BOUND, ""), KEYS) is None
    session = unseal_session(text, KEYS, function="shop", lineage="tok_a", now=NOW)
    assert (session is not None) is (text == SEALED_SESSION)
    assert session is None or session.home == UPSTREAM.home
    assert unseal_session(text, KEYS, function="shop2", lineage="tok_a", now=NOW) is None
    state = open_state(text, CALL, KEYS, NOW)
    assert (None if state is None else state.state) == ("waiting" if text == SEALED_STATE else None)


def _check_sealed(data: bytes) -> None:
    """What is sealed comes back; altered anywhere it does not."""
    plain, bound = data[:MAX_PLAIN], ("state", data[:40].decode("latin-1"))
    text = seal(plain, bound, KEYS, noise)
    assert unseal(text, bound, KEYS) == plain
    assert unseal(text, bound, KEYS[1:]) is None
    source = random.Random(zlib.crc32(data))
    at, put = source.randrange(len(text)), chr(source.randrange(128))
    altered = text[:at] + put + text[at + source.randrange(2) :]
    assert unseal(altered, bound, KEYS) == (plain if altered == text else None)


def _check_signed(said: str) -> None:
    function, _, lineage = said.partition(".")
    session = Session(function, lineage, HANDSHAKE[0], NOW, "n")
    text = sign(session, KEYS)
    sound = len(text) <= MAX_LENGTH and len(text.split(".")[2]) <= 800
    found = verify(text, KEYS, function=function, lineage=lineage, now=NOW)
    assert found == (session if sound else None)
    assert verify(text, KEYS, function=said, lineage="", now=NOW) is None or not lineage


def _check_upstream(data: bytes) -> None:
    """An `initialize` is read or not, and what was sealed of it opens again."""
    opening = opening_of(data)
    home = data[:600].decode("latin-1") if opening is None else "home"
    made = UpstreamSession(NOW, "n", home, opening)
    text = seal_session(made, "shop", "tok_a", KEYS, noise)
    visible = 0 < len(home) <= 512 and all("!" <= character <= "~" for character in home)
    assert visible or text is None, "the function's id is no id"
    if text is None:
        return
    assert len(text) <= MAX_LENGTH
    found = unseal_session(text, KEYS, function="shop", lineage="tok_a", now=NOW)
    assert found is not None
    assert (found.home, found.nonce, found.issued) == (home, "n", NOW)
    assert found.opening is None or _is_short_of(found.opening, opening or {})


def _is_short_of(opened: Opening, opening: Opening) -> bool:
    """Whether all is there but what only describes the client."""
    return {**opened, "clientInfo": 0} == {**opening, "clientInfo": 0}
