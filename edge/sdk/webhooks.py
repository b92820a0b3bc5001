"""Whether a webhook comes from whom it says: signatures of Stripe, Shopify, Meta, GitHub, HMAC.

Each check takes the secret, or several while one replaces another: a list, or a text with commas.
Comparisons take the same time whatever they find.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable
from typing import Literal

from edge.sdk.requests import Request

Code = Literal["missing_secret", "missing_signature", "malformed", "mismatch", "expired"]
Secret = str | Iterable[str]

MAX_AGE = 300
"""Seconds that a signed moment may lie in the past, or in the future."""

HMAC_HEADER = "X-Webhook-Signature"

_SAID: dict[Code, str] = {
    "missing_secret": "the secret that signs is not set",
    "missing_signature": "the request has no signature",
    "malformed": "the signature cannot be read",
    "mismatch": "the signature is not that of this body",
    "expired": "the signature is too old, or of the future",
}


class WebhookVerificationError(Exception):
    """A request that nobody with the secret has signed; uncaught, it is answered with 401."""

    def __init__(self, code: Code, about: str = "") -> None:
        """Say why.

        Args:
            about: the header field or the secret that is meant, by name.
        """
        super().__init__(f"{_SAID[code]} ({about})" if about else _SAID[code])
        self.code = code


def verify_stripe(
    request: Request, secret: Secret, *, max_age: float = MAX_AGE, now: float | None = None
) -> None:
    """`Stripe-Signature: t=<unix>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`.

    Several `v1` stand there while Stripe rolls its secret; one that fits is enough.

    Args:
        secret: the endpoint's signing secret, `whsec_…`.
        max_age: seconds.
        now: seconds since the epoch; by default the clock is asked.

    Raises:
        WebhookVerificationError: it is not signed so.
    """
    pairs = [part.strip().partition("=") for part in _field(request, "Stripe-Signature").split(",")]
    times = [value for key, _, value in pairs if key == "t"]
    signatures = [_from_hex(value) for key, _, value in pairs if key == "v1"]
    if len(times) != 1 or not signatures:
        raise WebhookVerificationError("malformed", "Stripe-Signature")
    _check_age(times[0], max_age, now)
    _compare(secret, times[0].encode() + b"." + request.body, signatures)


def verify_shopify(request: Request, secret: Secret) -> None:
    """`X-Shopify-Hmac-Sha256: <base64>`: HMAC-SHA256 over the body.

    Raises:
        WebhookVerificationError: it is not signed so.
    """
    _compare(secret, request.body, [_from_base64(_field(request, "X-Shopify-Hmac-Sha256"))])


def verify_meta(request: Request, secret: Secret) -> None:
    """`X-Hub-Signature-256: sha256=<hex>`: HMAC-SHA256 over the body, keyed with the app secret.

    Raises:
        WebhookVerificationError: it is not signed so.
    """
    verify_hmac(request, secret, header="X-Hub-Signature-256", prefix="sha256=")


def verify_github(request: Request, secret: Secret) -> None:
    """`X-Hub-Signature-256: sha256=<hex>`: HMAC-SHA256 over the body.

    Raises:
        WebhookVerificationError: it is not signed so.
    """
    verify_hmac(request, secret, header="X-Hub-Signature-256", prefix="sha256=")


def verify_hmac(
    request: Request,
    secret: Secret,
    *,
    header: str = HMAC_HEADER,
    prefix: str = "",
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256",
    timestamp_header: str | None = None,
    max_age: float = MAX_AGE,
    now: float | None = None,
) -> None:
    """A signature in a field of its own, in hex or base64: HMAC over the body.

    Args:
        prefix: what stands before the signature, such as `sha256=`.
        timestamp_header: a field with the seconds since the epoch; with it, what is signed is
            `<timestamp>.<body>`, and its age is bounded.
        max_age: seconds.
        now: seconds since the epoch; by default the clock is asked.

    Raises:
        WebhookVerificationError: it is not signed so.
    """
    text = _field(request, header)
    if not text.startswith(prefix):
        raise WebhookVerificationError("malformed", header)
    signed = request.body
    if timestamp_header is not None:
        moment = _field(request, timestamp_header)
        _check_age(moment, max_age, now)
        signed = moment.encode() + b"." + signed
    bare = text.removeprefix(prefix)
    _compare(secret, signed, [_from_hex(bare), _from_base64(bare)], algorithm)


def _field(request: Request, name: str) -> str:
    value = request.headers.get(name, "").strip()
    if not value:
        raise WebhookVerificationError("missing_signature", name)
    return value


def _check_age(moment: str, max_age: float, now: float | None) -> None:
    if not (moment.isascii() and moment.isdigit() and len(moment) < 16):
        raise WebhookVerificationError("malformed", "timestamp")
    if abs((time.time() if now is None else now) - int(moment)) > max_age:
        raise WebhookVerificationError("expired")


def _compare(
    secret: Secret, signed: bytes, signatures: list[bytes], algorithm: str = "sha256"
) -> None:
    keys = secrets_in(secret)
    if not keys:
        raise WebhookVerificationError("missing_secret")
    digests = [hmac.new(key, signed, getattr(hashlib, algorithm)).digest() for key in keys]
    equal = [hmac.compare_digest(one, other) for one in digests for other in signatures]
    if not any(equal):
        raise WebhookVerificationError("mismatch")


def secrets_in(secret: Secret) -> list[bytes]:
    """The keys in a text with commas, or in several texts; empty ones count for nothing."""
    texts = [secret] if isinstance(secret, str) else list(secret)
    parts = [part.strip() for text in texts for part in text.split(",")]
    return [part.encode() for part in parts if part]


def _from_hex(text: str) -> bytes:
    """What it stands for; nothing, which equals no digest, if it is not hex."""
    try:
        return bytes.fromhex(text) if " " not in text else b""
    except ValueError:
        return b""


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
