"""The process of one worker: reads its orders from stdin, serves, ends when it is told to.

Run by the supervisor as `python -m edge.server.worker_main`. Stdin holds one JSON line of orders,
so that nothing stands in argv or the environment, and then stays open: its end means that the
supervisor is gone. What became of the start is written to a pipe.
"""

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from typing import Any

from edge.config import Config, from_plain
from edge.server.certificates import CertificateError
from edge.server.loops import LoopMissing, loop_factory
from edge.server.mailboxes import delivered, peers_over
from edge.server.worker import Factory, Listeners, Server, serve
from tokens.errors import TokenError
from tokens.secret import redact

LOG = logging.getLogger("edge.server")

READY = "ready"

RELOAD = signal.SIGHUP
"""Read the certificate files anew."""

SUCCEEDED = signal.SIGUSR2
"""End, and leave what comes anew to another edge, which accepts on the same sockets."""

GARBAGE = (10_000, 20, 50)
"""When to look for cycles. By default it is every 700 objects, within a handful of requests."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told; plain values, as JSON holds them.

    Attributes:
        factory: `module:name` of an `edge.server.worker.Factory`.
        public, local_admin, remote_admin: file descriptors of listening sockets.
        mailbox: file descriptor of the reading end of the slot's mailbox.
        mailboxes: file descriptors of the writing ends of every slot's, in the slots' order.
        status: file descriptor on which the worker writes `ready`, or why it is not.
    """

    config: dict[str, Any]
    factory: str
    index: int
    bound: list[str]
    public: list[int]
    local_admin: list[int]
    remote_admin: list[int]
    mailbox: int
    mailboxes: list[int]
    status: int

    def to_json(self) -> bytes:
        """One line."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Redacting(logging.Formatter):
    """Writes log lines and tracebacks without the runtime tokens that a text may hold."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole text of a record."""
        return redact(super().format(record))


def main() -> int:
    """Run the worker; the exit status is 0 after a drain, 1 if it did not start."""
    _set_up_process()
    orders = Orders(**json.loads(sys.stdin.buffer.readline()))
    try:
        config = from_plain(orders.config)
        with asyncio.Runner(loop_factory=loop_factory(config.loop)) as runner:
            runner.run(_run(orders, config))
    except (TokenError, CertificateError, LoopMissing) as error:  # their texts say what to do
        _report(orders.status, str(error))
        return 1
    except Exception as error:
        LOG.exception("worker %d ended", orders.index)
        _report(orders.status, f"{type(error).__name__}: {error}")
        return 1
    return 0


async def _run(orders: Orders, config: Config) -> None:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[bool] = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, _end, stop, False)
    loop.add_signal_handler(SUCCEEDED, _end, stop, True)
    loop.add_reader(sys.stdin.fileno(), _watch_parent, stop)
    factory: Factory = load_factory(orders.factory)
    peers = peers_over(orders.index, _sockets(orders.mailboxes))
    served = factory(config, orders.bound, peers)
    (mailbox,) = _sockets([orders.mailbox])
    with delivered(mailbox, peers):
        await serve(
            served,
            config,
            _listeners(orders),
            stop=stop,
            ready=partial(_begin, orders.status),
        )


def _end(stop: "asyncio.Future[bool]", succeeded: bool) -> None:
    if not stop.done():
        stop.set_result(succeeded)


def _begin(status: int, server: Server) -> None:
    """Everything that lives as long as the worker is there: the garbage collector may skip it."""
    asyncio.get_running_loop().add_signal_handler(RELOAD, server.reload_certificates)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    _report(status, READY)


def load_factory(spec: str) -> Any:
    """The factory that `module:name` names. Raises ImportError, AttributeError."""
    module, _, name = spec.partition(":")
    return getattr(import_module(module), name)


def _listeners(orders: Orders) -> Listeners:
    return Listeners(
        _sockets(orders.public), _sockets(orders.local_admin), _sockets(orders.remote_admin)
    )


def _sockets(descriptors: list[int]) -> list[socket.socket]:
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _watch_parent(stop: "asyncio.Future[bool]") -> None:
    """Stdin is readable: it has ended, as nothing is written to it after the orders."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    _end(stop, False)


def _report(status: int, text: str) -> None:
    try:
        os.write(status, text.encode() + b"\n")
        os.close(status)
    except OSError:
        return  # reported already, or nobody listens any more


def _set_up_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    signal.signal(RELOAD, signal.SIG_IGN)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
