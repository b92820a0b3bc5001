"""Puts a prefix before the names of tools in what a client asks, and takes it from its answers.

The suite calls its tools by fixed names, while an edge shows them as `<function>__<tool>`. Of
answers, whose length stays as it is, it reads `"name":"…"` alone, written without spaces. Pure.
"""

import json
import re
from collections.abc import Callable, Sequence

_FIELD = re.compile(rb"(mcp-name: *)(.*)", re.IGNORECASE | re.DOTALL)
_LENGTH = re.compile(rb"content-length:.*", re.IGNORECASE | re.DOTALL)


class Prefix:
    """What stands before the name of every tool."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def asked(self, head: Sequence[bytes], body: bytes) -> bytes:
        """A request with the names that the server knows.

        Args:
            head: its lines, each with its end; the last is empty.
            body: of known length.
        """
        message = json.loads(body) if body.startswith(b"{") else {}
        if message.get("method") != "tools/call":
            return b"".join([*head, body])
        message["params"]["name"] = self._prefix + message["params"]["name"]
        body = json.dumps(message).encode()
        return b"".join([*(self._line(line, len(body)) for line in head), body])

    def _line(self, line: bytes, size: int) -> bytes:
        line = _LENGTH.sub(b"Content-Length: %d\r\n" % size, line)
        return _FIELD.sub(rb"\g<1>" + self._prefix.encode() + rb"\g<2>", line)

    def shown(self) -> Callable[[bytes], bytes]:
        """Reads the pieces of one connection's answers, in order; nothing is an end."""
        said = b'"name":"' + self._prefix.encode()
        instead = b" " * len(self._prefix) + b'"name":"'
        held = b""

        def piece(data: bytes) -> bytes:
            nonlocal held
            whole = (held + data).replace(said, instead)
            keep = _begun(whole, said) if data else 0
            held = whole[len(whole) - keep :]
            return whole[: len(whole) - keep]

        return piece


def _begun(data: bytes, wanted: bytes) -> int:
    """How many bytes at the end may be the beginning of what is wanted."""
    return next((n for n in range(len(wanted) - 1, 0, -1) if data.endswith(wanted[:n])), 0)
