"""The process of one worker: reads its orders from stdin, serves, ends when it is told to.

Run by the supervisor as `python -m edge.server.worker_main`; see `edge/child.py` for the rest.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
from functools import partial
from importlib import import_module
from typing import Any

from edge.child import READY, Start, on_orphaned, set_up
from edge.config import Config, from_plain
from edge.extras import ExtraMissing
from edge.server.certificates import CertificateError
from edge.server.loops import LoopMissing, loop_factory
from edge.server.mailboxes import delivered, peers_over
from edge.server.orders import RELOAD, SUCCEEDED, WorkerOrders
from edge.server.worker import Factory, Listeners, Server, serve
from tokens.errors import TokenError

LOG = logging.getLogger("edge.server")

GARBAGE = (10_000, 20, 50)
"""When to look for cycles. By default it is every 700 objects, within a handful of requests."""


def main() -> int:
    """Run the worker; the exit status is 0 after a drain, 1 if it did not start."""
    set_up()
    gc.disable()  # what is imported stays, and looking for garbage in it is a seventh of the start
    signal.signal(RELOAD, signal.SIG_IGN)
    orders = WorkerOrders.read()
    start = Start(orders.status)
    try:
        config = from_plain(orders.config)
        with asyncio.Runner(loop_factory=loop_factory(config.loop)) as runner:
            runner.run(_run(orders, start, config))
    except (
        TokenError,
        CertificateError,
        LoopMissing,
        ExtraMissing,
    ) as error:  # their texts say what to do
        start.say(str(error))
        return 1
    except Exception as error:
        LOG.exception("worker %d ended", orders.index)
        start.say(f"{type(error).__name__}: {error}")
        return 1
    return 0


async def _run(orders: WorkerOrders, start: Start, config: Config) -> None:
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[bool] = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, _end, stop, False)
    loop.add_signal_handler(SUCCEEDED, _end, stop, True)
    on_orphaned(partial(_end, stop, False))
    factory: Factory = load_factory(orders.factory)
    peers = peers_over(orders.index, _sockets(orders.mailboxes))
    served = factory(config, orders.bound, peers)
    (mailbox,) = _sockets([orders.mailbox])
    stop.add_done_callback(partial(_leave_mail, mailbox))
    with delivered(mailbox, peers):
        await serve(
            served,
            config,
            _listeners(orders),
            stop=stop,
            ready=partial(_begin, start),
        )


def _end(stop: "asyncio.Future[bool]", succeeded: bool) -> None:
    if not stop.done():
        stop.set_result(succeeded)


def _leave_mail(mailbox: socket.socket, stop: "asyncio.Future[bool]") -> None:
    """What comes to this slot from now on is for the worker that has it next, if one has."""
    if not stop.cancelled() and stop.result():
        asyncio.get_running_loop().remove_reader(mailbox)


def _begin(start: Start, server: Server) -> None:
    """Everything that lives as long as the worker is there: the garbage collector may skip it."""
    asyncio.get_running_loop().add_signal_handler(RELOAD, server.reload_certificates)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()
    start.say(READY)


def load_factory(spec: str) -> Any:
    """The factory that `module:name` names. Raises ImportError, AttributeError."""
    module, _, name = spec.partition(":")
    return getattr(import_module(module), name)


def _listeners(orders: WorkerOrders) -> Listeners:
    return Listeners(
        _sockets(orders.public),
        _sockets(orders.local_admin),
        _sockets(orders.remote_admin),
        _sockets(orders.datagrams),
    )


def _sockets(descriptors: list[int]) -> list[socket.socket]:
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


if __name__ == "__main__":
    sys.exit(main())
