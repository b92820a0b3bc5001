"""Answers of the console, and the fields that every one of them carries. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

Fields = Sequence[tuple[bytes, bytes]]

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Content Security Policy Level 3: nothing but what the console serves itself, nothing inline."""

_ALWAYS: Fields = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)

_UNSTORED = (b"cache-control", b"no-store")
_FOR_GOOD = (b"cache-control", b"private, max-age=31536000, immutable")

HTML = b"text/html; charset=utf-8"


class Response(NamedTuple):
    """A whole answer.

    Attributes:
        fields: beside those that every answer carries.
        kept: whether browsers may keep it: what is named by its own hash.
    """

    status: int
    body: bytes = b""
    content_type: bytes = HTML
    fields: Fields = ()
    kept: bool = False

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """All fields."""
        kind = [(b"content-type", self.content_type)] if self.body else []
        length = (b"content-length", b"%d" % len(self.body))
        caching = _FOR_GOOD if self.kept else _UNSTORED
        return [*kind, length, caching, *_ALWAYS, *self.fields]


def see(location: str, *fields: tuple[bytes, bytes]) -> Response:
    """Send the browser on to another page (303, RFC 9110 §15.4.4); a path of the console's own."""
    return Response(303, fields=((b"location", location.encode("ascii")), *fields))
