"""What the supervisor tells a worker: at its start, and by signals later."""

import signal
from dataclasses import dataclass

from edge.child import Orders

RELOAD = signal.SIGHUP
"""Read the certificate files anew."""

SUCCEEDED = signal.SIGUSR2
"""End, and leave what comes anew to another edge, which accepts on the same sockets."""

MARGIN = 8.0
"""Seconds that a worker has beyond `drain_timeout` to end before it is killed."""


@dataclass(frozen=True, slots=True)
class WorkerOrders(Orders):
    """What a worker is told beyond what every child is.

    Attributes:
        factory: `module:name` of an `edge.server.worker.Factory`.
        public, local_admin, remote_admin: file descriptors of listening sockets.
        datagrams: file descriptors of bound datagram sockets.
        mailbox: file descriptor of the reading end of the slot's mailbox.
        mailboxes: file descriptors of the writing ends of every slot's, in the slots' order.
    """

    factory: str
    index: int
    public: list[int]
    local_admin: list[int]
    remote_admin: list[int]
    datagrams: list[int]
    mailbox: int
    mailboxes: list[int]
