"""Text that only the edge can read or make, bound to what it was made for: AES-256-GCM. Pure.

`v1.<kid>.<base64url(nonce || ciphertext || tag)>`. Who may present it, and until when, is the
caller's to bind or to put inside.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcp_bridge.session import SessionKey

MAX_PLAIN = 49_000
"""Bytes that can be sealed unless more are allowed; the text then has under 65,536 characters."""

_SALT, _IV, _TAG = 16, 12, 16
_NONCE = _SALT + _IV

_FORM = re.compile(r"v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)")


def seal(
    plain: bytes,
    bound: Sequence[str],
    keys: Sequence[SessionKey],
    random: Callable[[int], bytes],
    *,
    most: int = MAX_PLAIN,
) -> str:
    """Encrypt under the newest key, the first; `random` returns that many random bytes.

    Args:
        bound: what the text is good for, the purpose first, such as `("state", function, lineage)`;
            it is authenticated, not carried: `unseal` must be given the same.
        most: bytes that `plain` may have.

    Raises:
        ValueError: it has more.
    """
    if len(plain) > most:
        raise ValueError(f"at most {most} bytes can be sealed")
    key, nonce = keys[0], random(_NONCE)
    sealed = _cipher(key, nonce).encrypt(nonce[_SALT:], plain, _associated(key.kid, bound))
    return f"v1.{key.kid}.{_encode(nonce + sealed)}"


def unseal(
    text: str, bound: Sequence[str], keys: Sequence[SessionKey], *, most: int = MAX_PLAIN
) -> bytes | None:
    """What was sealed, or None: forged, cut, too long, of an unknown key, or bound elsewhere."""
    form = _FORM.fullmatch(text) if len(text) <= max_length(most) else None
    key = next((key for key in keys if form and key.kid == form[1]), None)
    raw = _decode(form[2]) if form else None
    if key is None or raw is None or len(raw) < _NONCE + _TAG:
        return None
    nonce = raw[:_NONCE]
    try:
        return _cipher(key, nonce).decrypt(nonce[_SALT:], raw[_NONCE:], _associated(key.kid, bound))
    except InvalidTag:
        return None


def max_length(most: int = MAX_PLAIN) -> int:
    """Characters that the text of so many bytes may have."""
    return (_NONCE + most + _TAG + 2) // 3 * 4 + len("v1..") + 32


def _cipher(key: SessionKey, nonce: bytes) -> AESGCM:
    """A key of its own for each nonce's first half.

    96 random bits alone would wear a long-lived key out after 2^32 texts (NIST SP 800-38D §8.3).
    The label keeps it apart from the signatures that the same secret makes.
    """
    label = b"mcp_bridge/sealing/v1/aes-256-gcm\0" + nonce[:_SALT]
    return AESGCM(hmac.digest(key.secret, label, sha256))


def _associated(kid: str, bound: Sequence[str]) -> bytes:
    """Each part behind its length, so that no two sequences give the same bytes."""
    parts = [part.encode("utf-8", "surrogatepass") for part in ("v1", kid, *bound)]
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes | None:
    """Strict: of the texts that stand for the same bytes, only the one that `_encode` makes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error:
        return None
    return data if _encode(data) == text else None
