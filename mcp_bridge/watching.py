"""A client that waits to be told that its list of tools changed: `GET`, and
`subscriptions/listen`. What it is told, without I/O. Pure.
"""

from typing import Any

from mcp_bridge.event_stream import COMMENT, event, opening
from mcp_bridge.jsonrpc import RequestId, success
from mcp_bridge.jsontext import dump
from mcp_bridge.session import Session

_CHANGED = "notifications/tools/list_changed"
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_PRIMED_FROM = "2025-11-25"
"""The revision whose clients take an event without a message (Streamable HTTP, resumability)."""


class Watch:
    """One stream; it is told the digest of what its caller sees, and says what to write."""

    __slots__ = ("_digest", "_final", "_first", "_notice", "_wanted", "session")

    def __init__(
        self,
        digest: str,
        first: bytes,
        notice: dict[str, Any],
        final: bytes,
        *,
        session: str | None = None,
        wanted: bool = True,
    ) -> None:
        """Args: session: nonce of the session whose stream it is, or None."""
        self.session = session
        self._digest = digest
        self._first = first
        self._notice = dump({"jsonrpc": "2.0", "method": _CHANGED, **notice})
        self._final = final
        self._wanted = wanted

    @classmethod
    def of_session(cls, session: Session, digest: str, seen: str) -> "Watch":
        """The stream of a session.

        Args:
            seen: `Last-Event-ID`: the digest that the client saw last, or empty. If it is another
                one than now, the client is told at once.
        """
        first = opening(digest) if session.revision >= _PRIMED_FROM else COMMENT
        watch = cls(digest, first, {}, b"", session=session.nonce)
        if seen and seen != digest:
            watch._first += event(watch._notice, digest)
        return watch

    @classmethod
    def of_request(
        cls, request_id: RequestId, digest: str, identity: dict[str, Any], *, wanted: bool
    ) -> "Watch":
        """The stream that answers a `subscriptions/listen` (MCP 2026-07-28).

        Args:
            wanted: whether the client asked for changes of the list of tools: all we offer.
        """
        named = {_SUBSCRIPTION: request_id}
        honoured = {"toolsListChanged": True} if wanted else {}
        acknowledged = {
            "jsonrpc": "2.0",
            "method": _ACKNOWLEDGED,
            "params": {"notifications": honoured, "_meta": named},
        }
        meta = {**named, "io.modelcontextprotocol/serverInfo": identity}
        result = dump({"resultType": "complete", "_meta": meta})
        return cls(
            digest,
            event(dump(acknowledged)),
            {"params": {"_meta": named}},
            event(success(request_id, result)),
            wanted=wanted,
        )

    @property
    def first(self) -> bytes:
        """What the stream begins with."""
        return self._first

    @property
    def final(self) -> bytes:
        """What it ends with when the edge ends it in order; perhaps nothing."""
        return self._final

    def changed(self, digest: str) -> bytes:
        """What to write now that the caller's list has this digest; perhaps nothing."""
        if digest == self._digest:
            return b""
        self._digest = digest
        return event(self._notice, digest) if self._wanted else b""
