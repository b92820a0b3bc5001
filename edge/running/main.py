"""The runner's process: reads its orders from stdin, works, ends when it is told to.

Run by the supervisor as `python -m edge.running.main`. Stdin holds one JSON line of orders and then
stays open: its end means that the supervisor is gone.
"""

import asyncio
import logging
import os
import resource
import signal
import sys
import time

from edge.config import Config, from_plain
from edge.functions import Function
from edge.logs.kept import Logs
from edge.logs.writer import Limits
from edge.registry.sqlite import SqliteRegistry
from edge.registry.store import RegistryError
from edge.running.family import sweep
from edge.running.keeper import Keeper
from edge.running.orders import Orders
from edge.running.protocol import SOCKETS
from edge.running.rooms import OWNERS, Rooms
from edge.running.runner import Broadcast, Runner
from edge.running.sources import sources
from edge.running.trials import Trials
from tokens.database import Changes, Database
from tokens.errors import StoreError

READY = "ready"


class StoreSource:
    """See `edge.running.runner.Source`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registry = SqliteRegistry(database, os.urandom)
        self.generation = database.mirror.read

    def changes_since(self, generation: int) -> Changes:
        """See Source."""
        return self._database.changes_since(generation)

    def function(self, slug: str) -> Function | None:
        """See Source."""
        try:
            return self._registry.function(slug)
        except RegistryError as error:
            raise StoreError(str(error)) from error

    def functions(self) -> list[Function]:
        """See Source."""
        try:
            return self._registry.functions()
        except RegistryError as error:
            raise StoreError(str(error)) from error


def main() -> int:
    """Run; the exit status is 0 after an end that was asked for, 1 if it did not start."""
    _set_up_process()
    orders = Orders.from_json(sys.stdin.buffer.readline())
    os.set_inheritable(orders.status, False)
    try:
        asyncio.run(_run(orders, from_plain(orders.config)))
    except (StoreError, OSError) as error:
        _report(orders.status, str(error))
        return 1
    return 0


async def _run(orders: Orders, config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    database = Database.open(config.data_dir, create=True)
    rooms = Rooms(config.data_dir, OWNERS[config.turn])
    sweep(rooms.mark)
    rooms.clear()
    logs = Logs(config.data_dir, Limits(config.log_size, config.log_files, config.log_rate))
    runner = _put_together(orders, config, database, rooms, logs)
    loop.add_reader(sys.stdin.fileno(), _on_orphaned, runner, config, stop)
    ticking = asyncio.create_task(_tick(logs))
    socket = config.data_dir / SOCKETS[config.turn]
    await runner.run(socket, lambda: _report(orders.status, READY), stop)
    ticking.cancel()
    logs.close()
    rooms.close()
    database.close()


async def _tick(logs: Logs) -> None:
    while True:
        await asyncio.sleep(1.0)
        logs.tick()


def _put_together(
    orders: Orders, config: Config, database: Database, rooms: Rooms, logs: Logs
) -> Runner:
    made_from = sources(config, orders.bound, database, logs.of)
    tell = Broadcast()
    keeper = Keeper(config, rooms, made_from, tell, time.monotonic)
    trials = Trials(config, rooms, made_from, keeper)
    return Runner(StoreSource(database), keeper, trials, tell)


def _on_orphaned(runner: Runner, config: Config, stop: asyncio.Event) -> None:
    """Stdin has ended, as nothing is written to it after the orders: the supervisor is gone."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    runner.patience = config.drain_timeout
    stop.set()


def _report(status: int, text: str) -> None:
    try:
        os.write(status, text.replace("\n", " ").encode() + b"\n")
        os.close(status)
    except OSError:
        return  # reported already, or nobody listens any more


def _set_up_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
    signal.signal(signal.SIGHUP, lambda *_: None)  # so too, and functions do not inherit it
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
