"""What a worker tells of itself to whoever asks how the edge is: constructor calls alone."""

import os
import time
from collections.abc import Callable

from edge.observe.log import recent_errors
from edge.state.peers import Peers
from edge.state.roster import Met, Roster, Seat, Workers
from edge.state.view import WorkerView


def workers_look(view: WorkerView, peers: Peers) -> Callable[[], Roster]:
    """Have this worker answer the others; gives what asks all of them."""
    since = time.time()

    def me() -> Seat:
        met = tuple(Met(*each) for each in recent_errors())
        return Seat(peers.slot, os.getpid(), since, view.generation, met)

    return Workers(peers, me, os.urandom).look
