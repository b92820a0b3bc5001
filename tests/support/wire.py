"""Workers of one edge in memory: what one tells, the others hear when the test lets it through."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from edge.state.peers import Peers


@dataclass
class Wire:
    """Messages on their way, in the order in which they were sent.

    Attributes:
        count: how many workers there are.
        dead: slots whose messages are lost.
        by_hand: messages wait for `flow`; otherwise each is heard at once.
    """

    count: int
    dead: set[int] = field(default_factory=set)
    by_hand: bool = False
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    told: int = 0

    def __post_init__(self) -> None:
        self.peers = [self.start(slot) for slot in range(self.count)]

    def start(self, slot: int) -> Peers:
        """A worker in a slot, which nothing reaches until it stands in `peers`."""
        others = (other for other in range(self.count) if other != slot)
        return Peers(slot, {other: partial(self._post, other) for other in others})

    def replace(self, slot: int) -> Peers:
        """A new worker in a slot; what waited for the old one is for it."""
        self.peers[slot] = self.start(slot)
        return self.peers[slot]

    def flow(self) -> None:
        """Let through what waits, and what is told because of it."""
        while self.waiting:
            slot, message = self.waiting.popleft()
            if slot not in self.dead:
                self.peers[slot].heard(message)

    def _post(self, slot: int, message: bytes) -> None:
        self.told += 1
        self.waiting.append((slot, message))
        if not self.by_hand:
            self.flow()
