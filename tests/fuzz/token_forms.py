"""Tokens: only what has form and checksum is one, and one is found wherever and however it stands.

Form, checksum and percent-encodings are worked out here a second time, as plainly as can be.
"""

from hashlib import sha256

from tokens.secret import (
    ACCESS,
    ALPHABET,
    MAX_SIZE,
    RUNTIME,
    checks,
    contains_token,
    has_form,
    mint,
    parse,
    redact,
)

_RANDOM_AND_CHECKSUM = 38
_ALPHANUMERIC = frozenset(ALPHABET.encode())

WORDS = (
    b"jfn_rt_", b"jfn_pat_", b"jfn_", b"%6a", b"%6A", b"%256a", b"%25", b"%2525", b"%", b"25", b"j",
    b"fn_rt_", b"%5f", b"_", b"0" * 38, b"a" * 32, b"%30" * 8, b"%7a", b"jfn_[redacted]", b"\xff",
    b"jfn_rt_abcdefghijklmnopqrstuvwxyzABCDEF1lHzYv", b"Bearer ", b"\n", b"\x00",
    b"jjfn_rt_jfn_rt_",
)  # fmt: skip


def check(data: bytes) -> None:
    """Any bytes as a token, as a field's value and as a text that is shown."""
    for prefix in (RUNTIME, ACCESS):
        _check_as_token(data, prefix)
        start = data.find(prefix.encode())
        _check_as_token(data[start : start + len(prefix) + _RANDOM_AND_CHECKSUM], prefix)
    _check_found(data)
    _check_redacted(data)
    _check_minted(data)


def _check_as_token(value: bytes, prefix: str) -> None:
    body = prefix.encode()
    formed = (
        len(value) == len(body) + _RANDOM_AND_CHECKSUM
        and value.startswith(body)
        and _ALPHANUMERIC.issuperset(value[len(body) :])
    )
    assert has_form(value, prefix) is formed
    good = formed and _is_checked(value)
    assert not formed or checks(value) is good
    expected = sha256(value).digest() if good else None
    assert parse(value, prefix) == expected
    assert parse(value.decode("latin-1"), prefix) == expected
    assert len(value) <= MAX_SIZE or expected is None


def _check_found(value: bytes) -> None:
    assert contains_token(value) is any(map(_is_checked, occurrences(value, RUNTIME)))


def _check_redacted(data: bytes) -> None:
    text = data.decode("latin-1")
    shown = redact(text)
    there = [found for prefix in (RUNTIME, ACCESS) for found in occurrences(data, prefix)]
    assert (shown != text) is bool(there), "it was altered for nothing, or not at all"
    for prefix in (RUNTIME, ACCESS):
        assert not any(occurrences(shown.encode("latin-1"), prefix)), "a token is shown"


def _check_minted(data: bytes) -> None:
    """A token with these bytes around it, its characters encoded here and there."""
    key = sha256(data).digest()
    token = mint(lambda size: (key * 9)[:size])
    assert parse(token) == sha256(token.encode()).digest()
    marks = int.from_bytes(key, "big")
    written = "".join(_written(one, marks >> 2 * at & 3) for at, one in enumerate(token)).encode()
    around = data[: len(data) // 2] + written + data[len(data) // 2 :]
    assert contains_token(around)
    assert token not in redact(around.decode("latin-1"))
    changed = token[:-1] + ALPHABET[(ALPHABET.index(token[-1]) + 1) % len(ALPHABET)]
    assert parse(changed) is None


def _written(character: str, mark: int) -> str:
    code = f"{ord(character):02x}"
    return (character, character, f"%{code.upper()}", f"%25{'25' * (mark & 1)}{code}")[mark]


def occurrences(value: bytes, prefix: str) -> list[bytes]:
    """What stands there in the form of a token, decoded, at each place where one begins."""
    found = (_read(value, at, prefix.encode()) for at in range(len(value)) if value[at] in b"j%")
    return [token for token in found if token is not None]


def _read(value: bytes, at: int, prefix: bytes) -> bytes | None:
    read = bytearray()
    while len(read) < len(prefix) + _RANDOM_AND_CHECKSUM:
        one, at = _character(value, at)
        wanted = prefix[len(read) : len(read) + 1] or _ALPHANUMERIC
        if one not in wanted:
            return None
        read.append(one)
    return bytes(read)


def _character(value: bytes, at: int) -> tuple[int, int]:
    """The character at a place, an encoding of an encoding taken off too, and where it ends."""
    if value[at : at + 1] != b"%":
        return (value[at], at + 1) if at < len(value) else (0, at)
    at += 1
    while value[at : at + 2] == b"25":
        at += 2
    digits = value[at : at + 2]
    is_hex = len(digits) == 2 and all(digit in b"0123456789abcdefABCDEF" for digit in digits)
    return (int(digits, 16) if is_hex else 0), at + 2


def _is_checked(token: bytes) -> bool:
    number = 0
    for character in token[-6:]:
        number = number * 62 + ALPHABET.index(chr(character))
    return number == _crc32(token[:-6])


def _crc32(data: bytes) -> int:
    """ISO 3309, bit by bit."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ 0xEDB88320 * (remainder & 1)
    return remainder ^ 0xFFFFFFFF
