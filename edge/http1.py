"""Field sections of HTTP/1.1 (RFC 9112 §5), bytes to values and back, for both sides. Pure.

Not here: request lines (`edge/server/heads.py`) and status lines (`edge/forwarding/parse.py`).
"""

import re

from edge.message import Headers

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TEXT = rb"[\t -~\x80-\xff]"
FIELDS = rb"(?:\r\n" + TOKEN + rb"++:" + TEXT + rb"*+)*+"
"""Patterns: a character of a token, one of a value, and a section, each line begun by CRLF."""

_FIELD = re.compile(rb"\r\n([^:]++):[\t ]*+([^\r]*+)")


def split_fields(block: bytes, at: int = 0) -> list[tuple[bytes, bytes]]:
    """The fields of a section that matches `FIELDS` from `at` to the end; names in lower case."""
    return [(name.lower(), value.rstrip(b"\t ")) for name, value in _FIELD.findall(block, at)]


def field_lines(fields: Headers) -> bytes:
    """Field lines, each begun by CRLF."""
    return b"".join([b"\r\n%b: %b" % pair for pair in fields])
