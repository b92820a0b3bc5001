"""Small messages between the workers of one edge, by topic; lost rather than waited for.

Pure: a message is handed to what posts it, and `heard` is called with what came. Not here: the
sockets between the workers (`edge/server/mailboxes.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from mcp_bridge.jsontext import JSONError, dump, parse

JSON = Any
"""What `json` can hold."""

LONGEST_MESSAGE = 8 * 1024
"""Bytes of a message, its topic included."""

Post = Callable[[bytes], None]
"""Takes a message towards one worker; never blocks, never raises, may lose it."""


class Peers:
    """The other workers, as one of them sees them.

    A message can be lost (its worker is dead, starting or far behind), but comes whole and at most
    once. It may come to the replacement of the worker that it was meant for, and much later: a
    message has to say all that its reader needs to tell whether it still matters.

    Attributes:
        slot: which worker this is; its replacement has the same.
    """

    def __init__(self, slot: int = 0, posts: Mapping[int, Post] | None = None) -> None:
        """Args: posts: of each other worker, by its slot; none for a worker that is alone."""
        self.slot = slot
        self._posts = dict(posts or {})
        self._handlers: dict[str, Callable[[JSON], None]] = {}

    @property
    def others(self) -> frozenset[int]:
        """The slots of the other workers, whether or not a worker is alive in them."""
        return frozenset(self._posts)

    def tell(self, topic: str, value: JSON, to: int | None = None) -> None:
        """Tell the worker in slot `to`, or every other one (None).

        Raises ValueError for a message that is longer than `LONGEST_MESSAGE`.
        """
        message = dump([topic, value])
        if len(message) > LONGEST_MESSAGE:
            raise ValueError(f"a message about {topic} has {len(message)} bytes")
        posts = self._posts.values() if to is None else filter(None, [self._posts.get(to)])
        for post in posts:
            post(message)

    def hear(self, topic: str, handle: Callable[[JSON], None]) -> None:
        """Have `handle` called with what others tell about a topic.

        It must bear any value: a worker of another release may be among those that tell.
        """
        self._handlers[topic] = handle

    def heard(self, message: bytes) -> None:
        """A message has come; what is not one, or is about an unknown topic, is ignored."""
        if len(message) > LONGEST_MESSAGE:
            return
        try:
            told = parse(message)
        except JSONError:
            return
        match told:
            case [str(topic), value] if topic in self._handlers:
                self._handlers[topic](value)
