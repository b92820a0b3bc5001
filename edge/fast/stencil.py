"""A head with the fields cut out that vary from message to message. Pure."""

import re
from collections.abc import Mapping

from edge.message import Headers

LONGEST = 4096
"""Bytes of a head that is worth keeping."""


class Varying:
    """The fields that differ from message to message, where they are spelt and formed as usual."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        """`values` has, by a field's name in lower case, the pattern of its value."""
        either = b"|".join(b"%b: %b" % (re.escape(name), form) for name, form in values.items())
        ends = rb"(?=\r\n|\Z)"
        self._lines = re.compile(rb"\r\n((?:%b)%b)" % (either, ends), re.IGNORECASE)
        self.values = {name: re.compile(form + ends) for name, form in values.items()}

    def cut(self, head: bytes) -> list[bytes]:
        """What stands between such fields, and they, in turn; the first and last are no fields."""
        return self._lines.split(head)

    def fields(self, head: bytes) -> Headers:
        """Those of a head."""
        return tuple((name.lower(), value) for name, value in map(_parted, self.cut(head)[1::2]))


class Stencil:
    """What a head has to equal, byte for byte, for it to be another again.

    Attributes:
        names: of the fields that vary, in their order; in lower case.
    """

    __slots__ = ("_rest", "_steps", "names")

    def __init__(self, varying: Varying, head: bytes) -> None:
        cut = varying.cut(head)
        spelt = [_parted(line)[0] for line in cut[1::2]]
        before = [b"%b\r\n%b: " % pair for pair in zip(cut[::2], spelt, strict=False)]
        self.names = [name.lower() for name in spelt]
        self._rest = cut[-1]
        self._steps = [
            (lead, len(lead), name, varying.values[name].match)
            for lead, name in zip(before, self.names, strict=True)
        ]

    def fill(self, head: bytes) -> Headers | None:
        """The fields that vary, if this head is the same one otherwise."""
        at = 0
        found = []
        for lead, size, name, match in self._steps:
            value = match(head, at + size) if head.startswith(lead, at) else None
            if value is None:
                return None
            at = value.end()
            found.append((name, value[0]))
        return tuple(found) if head[at:] == self._rest else None


def _parted(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value
