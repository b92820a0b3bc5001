"""Work that may take its time, in a thread of its own, so that it holds up no request."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Piece = TypeVar("Piece")


class Background(Generic[Piece]):
    """Does pieces of work in order; what is too much at once is not taken.

    Args:
        name: of the thread.
        work: done with each piece; what went wrong, in words, or nothing.
        most: how much may wait, as `take` counts it.
        patience: seconds that the end may take.
        complain: told what went wrong, once each time.
        ended: called in the thread after the last piece.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Piece], str],
        most: int,
        patience: float,
        complain: Callable[[str], None],
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._work = work
        self._most = most
        self._patience = patience
        self._complain = complain
        self._ended = ended
        self._queue: SimpleQueue[tuple[Piece, int] | None] = SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def take(self, piece: Piece, size: int) -> bool:
        """Have a piece done, without waiting for it; False if too much waits already."""
        if self._waiting + size > self._most:
            return False
        self._waiting += size
        self._queue.put((piece, size))
        return True

    def close(self) -> None:
        """Wait until what was taken is done, within bounds."""
        self._queue.put(None)
        self._thread.join(self._patience)

    def _run(self) -> None:
        failing = False
        while (taken := self._queue.get()) is not None:
            piece, size = taken
            problem = self._work(piece)
            if problem and not failing:
                self._complain(problem)
            failing = bool(problem)
            self._waiting -= size
        if self._ended is not None:
            self._ended()
