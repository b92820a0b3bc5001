"""The secret itself: minted, checked, digested, found in texts and blacked out. Pure.

A token is its prefix, 32 characters from a CSPRNG and 6 of checksum: the CRC-32 (zlib's, ISO 3309)
of the ASCII before it in base 62, most significant first, zero-padded. Only its SHA-256 is stored.
"""

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import AnyStr
from zlib import crc32

RUNTIME = "jfn_rt_"
ACCESS = "jfn_pat_"

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
MAX_SIZE = 4096
"""Bytes; a longer value is refused unread."""

HINT_SIZE = 4
_RANDOM_SIZE = 32
_CHECKSUM_SIZE = 6
_UNBIASED = 256 - 256 % len(ALPHABET)

Random = Callable[[int], bytes]
"""A source of that many random bytes, such as `os.urandom`."""


def mint(random: Random, prefix: str = RUNTIME) -> str:
    """A new secret."""
    body = prefix + characters(random, _RANDOM_SIZE)
    return body + checksum(body.encode())


def characters(random: Random, count: int) -> str:
    """So many random characters, each equally likely (bytes past a multiple of 62 are skipped)."""
    found = ""
    while len(found) < count:
        found += "".join(ALPHABET[b % len(ALPHABET)] for b in random(count) if b < _UNBIASED)
    return found[:count]


def checksum(body: bytes) -> str:
    """The six characters that follow prefix and random part."""
    number = crc32(body)
    digits = ""
    for _ in range(_CHECKSUM_SIZE):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def parse(value: bytes | str, prefix: str = RUNTIME) -> bytes | None:
    """The SHA-256 digest (32 bytes) of a well-formed secret; None for everything else.

    Malformed, over 4 KB or with a wrong checksum: refused without a look-up.
    """
    if len(value) > MAX_SIZE:
        return None
    if isinstance(value, str):
        if not value.isascii():
            return None
        value = value.encode()
    return digest(value) if has_form(value, prefix) and checks(value) else None


def has_form(value: bytes, prefix: str = RUNTIME) -> bool:
    """Whether a value looks like a secret, its checksum apart."""
    return _FORMS[prefix].fullmatch(value) is not None


def checks(value: bytes) -> bool:
    """Whether the checksum of a value of this form is right; a made-up one's seldom is."""
    return checksum(value[:-_CHECKSUM_SIZE]).encode() == value[-_CHECKSUM_SIZE:]


def digest(secret: bytes | str) -> bytes:
    """What is stored of a secret: its SHA-256, 32 bytes."""
    return sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def hint(secret: str, prefix: str = RUNTIME) -> str:
    """The characters of a secret that may be shown, so that people can tell tokens apart."""
    return secret[len(prefix) : len(prefix) + HINT_SIZE]


def contains_token(value: bytes) -> bool:
    """Whether a well-formed runtime token stands anywhere in a header value, encoded or not."""
    if b"jfn" not in value and b"%" not in value:
        return False
    return any(checks(_decoded(found)) for _, found in _occurrences(_RUNTIME_BYTES, value))


def redact(text: str) -> str:
    """The text with every token blacked out, raw or percent-encoded, also where they overlap."""
    if "jfn" not in text and "%" not in text:
        return text
    pieces: list[str] = []
    end = 0
    for start, found in _occurrences(_ANY_TEXT, text):
        if start >= end:
            pieces += [text[end:start], _BLACK]
        end = max(end, start + len(found))
    return "".join(pieces) + text[end:]


_BLACK = "jfn_[redacted]"
_FORMS = {prefix: re.compile(prefix.encode() + rb"[0-9A-Za-z]{38}") for prefix in (RUNTIME, ACCESS)}


def _encodable(literal: str) -> str:
    """A pattern for the literal with any of its characters percent-encoded, once or again."""
    return "".join(f"(?:{c}|%(?:25)*{_hex(ord(c))})" for c in literal)


def _hex(code: int) -> str:
    high, low = f"{code >> 4:x}", f"{code & 15:x}"
    return high + (f"[{low}{low.upper()}]" if low.isalpha() else low)


_ENCODED_ALPHANUMERIC = "%(?:25)*(?:3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa])"
_TAIL = f"(?:[0-9A-Za-z]|{_ENCODED_ALPHANUMERIC}){{38}}"
_ESCAPE = re.compile(rb"%(?:25)*([0-9A-Fa-f]{2})")
# Lookahead, so that characters put before a token cannot hide it by forming another one with it.
_RUNTIME_BYTES = re.compile(f"(?=({_encodable(RUNTIME)}{_TAIL}))".encode())
_ANY_TEXT = re.compile(f"(?=((?:{_encodable(RUNTIME)}|{_encodable(ACCESS)}){_TAIL}))")


def _occurrences(pattern: re.Pattern[AnyStr], value: AnyStr) -> Iterator[tuple[int, AnyStr]]:
    return ((match.start(), match[1]) for match in pattern.finditer(value))


def _decoded(token: bytes) -> bytes:
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), token)
