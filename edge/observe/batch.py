"""Events gathered, and handed on a batch at a time: a request pays for noting it alone. Pure."""

from collections.abc import Callable, Sequence

from edge.events import Event

MOST = 256
"""Events that wait, at most: each may hold a request's head."""

Watcher = Callable[[Sequence[Event]], None]
"""What is done with some events, in the order in which they happened."""


class Batch:
    """Gathers events for those who watch."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers
        self._events: list[Event] = []

    def observe(self, event: Event) -> None:
        """Note an event; on every request's way."""
        events = self._events
        events.append(event)
        if len(events) >= MOST:
            self.hand_on()

    def hand_on(self) -> None:
        """Have what has been noted told, so that nothing waits."""
        events = self._events
        if events:
            self._events = []
            for watcher in self._watchers:
                watcher(events)
