"""The runner's process: reads its orders from stdin, works, ends when it is told to.

Run by the supervisor as `python -m edge.running.main`; see `edge/child.py` for the rest.
"""

import asyncio
import os
import signal
import sys
import time

from edge.child import READY, Orders, Start, on_orphaned, set_up
from edge.config import Config, from_plain
from edge.functions import Function
from edge.logs.kept import Logs
from edge.logs.writer import Limits
from edge.registry.sqlite import SqliteRegistry
from edge.registry.store import RegistryError
from edge.running.family import sweep
from edge.running.keeper import Keeper
from edge.running.protocol import SOCKETS
from edge.running.rooms import OWNERS, Rooms
from edge.running.runner import Broadcast, Runner
from edge.running.sources import sources
from edge.running.trials import Trials
from tokens.database import Changes, Database
from tokens.errors import StoreError


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
    set_up()
    signal.signal(signal.SIGHUP, lambda *_: None)  # of a terminal too; functions do not inherit it
    orders = Orders.read()
    start = Start(orders.status)
    try:
        asyncio.run(_run(orders, start, from_plain(orders.config)))
    except (StoreError, OSError) as error:
        start.say(str(error))
        return 1
    return 0


async def _run(orders: Orders, start: Start, config: Config) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database.open(config.data_dir, create=True)
    rooms = Rooms(config.data_dir, OWNERS[config.turn])
    sweep(rooms.mark)
    rooms.clear()
    logs = Logs(config.data_dir, Limits(config.log_size, config.log_files, config.log_rate))
    runner = _put_together(orders, config, database, rooms, logs)

    def end_late() -> None:
        runner.patience = config.drain_timeout
        stop.set()

    on_orphaned(end_late)
    ticking = asyncio.create_task(_tick(logs))
    socket = config.data_dir / SOCKETS[config.turn]
    await runner.run(socket, lambda: start.say(READY), stop)
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


if __name__ == "__main__":
    sys.exit(main())
