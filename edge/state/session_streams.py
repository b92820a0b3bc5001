"""The one `GET` stream of each MCP session: a second one ends the first, in whichever worker.

Not here: what goes over the stream, or when else it ends (`edge/state/streams.py`).
"""

from collections.abc import Callable

from edge.state.peers import JSON, Peers

_TAKEN = "session_streams.taken"

End = Callable[[], None]
_Since = tuple[int, int]
"""When a stream was opened, nanoseconds, and by the worker in which slot: no two are equal."""


class SessionStreams:
    """The streams of sessions in this worker, and word of those in others."""

    def __init__(self, peers: Peers, clock: Callable[[], int]) -> None:
        """Args: clock: nanoseconds, one clock for all workers (`time.monotonic_ns`)."""
        self._peers = peers
        self._clock = clock
        self._held: dict[str, tuple[_Since, End]] = {}
        peers.hear(_TAKEN, self._on_taken)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, nonce: str, end: End) -> None:
        """A session has opened a stream: end the one that it had.

        Args:
            nonce: of the session.
            end: breaks the stream off; may call `leave`.
        """
        before = self._held.get(nonce)
        since = self._clock(), self._peers.slot
        self._held[nonce] = since, end
        self._peers.tell(_TAKEN, [nonce, *since])
        if before is not None:
            before[1]()

    def leave(self, nonce: str, end: End) -> None:
        """A stream is over; nothing happens if the session has another by now."""
        held = self._held.get(nonce)
        if held is not None and held[1] == end:
            del self._held[nonce]

    def _on_taken(self, value: JSON) -> None:
        """Word may come late, even to a replaced worker: only what is older than it ends."""
        match value:
            case [str(nonce), int(at), int(slot)]:
                held = self._held.get(nonce)
                if held is not None and held[0] < (at, slot):
                    del self._held[nonce]
                    held[1]()
