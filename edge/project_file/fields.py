"""Header fields that a project file names: which ones a function's author may set. Pure."""

from edge import headers
from edge.project_file.reader import quote
from edge.project_file.texts import wrong_field_name
from tokens.secret import contains_token

_FRAMING = frozenset({b"host", b"content-length", b"expect"})


def wrong_forwarded_name(name: str) -> str | None:
    """What is wrong with a header name for requests to a function, or None."""
    wrong = wrong_field_name(name)
    if wrong:
        return wrong
    lower = name.lower().encode()
    if lower == b"host":
        return '"Host" is not a header to set here; see upstream.preserveHost'
    if lower in _FRAMING or lower in headers.HOP_BY_HOP or headers.is_reserved(lower):
        return f"{quote(name)} is set by the edge alone; remove it"
    return None


def wrong_value(value: str) -> str | None:
    """What is wrong with a field value (RFC 9110 §5.5), or None. Never quotes the value."""
    if any(
        ord(character) < 32 or ord(character) == 127 for character in value if character != "\t"
    ):
        return "holds a control character; remove it"
    if not value.isascii() or value != value.strip():
        return "must be visible ASCII without space at either end"
    if contains_token(value.encode()):
        return "holds a runtime token, which no function ever sees; remove it and revoke the token"
    return None
