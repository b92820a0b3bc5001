"""A head with the fields cut out that vary from message to message. Pure."""

import re

from edge.message import Headers

LONGEST = 4096
"""Bytes of a head that is worth keeping."""


class Stencil:
    """What a head has to equal, byte for byte, for it to be another again.

    Attributes:
        names: of the fields that vary, in their order; in lower case.
    """

    __slots__ = ("_stable", "_varying", "names")

    def __init__(self, varying: re.Pattern[bytes], head: bytes) -> None:
        """`varying` matches a field line that varies, begun by CRLF, which its group leaves out."""
        parts = varying.split(head)
        self._varying = varying
        self._stable = parts[::2]
        self.names = [name for name, _ in _pairs(parts)]

    def fill(self, head: bytes) -> Headers | None:
        """The fields that vary, if this head is the same one otherwise."""
        parts = self._varying.split(head)
        if parts[::2] != self._stable:
            return None
        pairs = _pairs(parts)
        return tuple(pairs) if [name for name, _ in pairs] == self.names else None


def varying_fields(varying: re.Pattern[bytes], head: bytes) -> Headers:
    """The fields of a head that vary; see `Stencil`."""
    return tuple(_pairs(varying.split(head)))


def _pairs(parts: list[bytes]) -> list[tuple[bytes, bytes]]:
    split = [part.partition(b": ") for part in parts[1::2]]
    return [(name.lower(), value) for name, _, value in split]
