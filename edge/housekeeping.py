"""What a worker does between requests: keeps up with the store, ends streams, notes last use.

One task for each rhythm; none of them is on any request's way, and an error in one ends none.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import anyio
import anyio.to_thread

from edge.app import Door
from edge.audit.watch import Watch
from edge.observe.pages import PUBLISH_SECONDS
from edge.state.streams import OpenStreams
from tokens.database import Database
from tokens.errors import StoreError
from tokens.service import TokenService

POLL_SECONDS = 0.1
"""How soon a change by a writer that could not publish it is seen."""

SWEEP_SECONDS = 0.2
TOUCH_SECONDS = 20.0
"""How late last use may be in the store."""

TOUCHED_AT_ONCE = 1000
TOUCH_PAUSE = 0.005
"""Seconds; longer than other processes' writers sleep between two tries for the lock."""

DOCUMENTS_SECONDS = 2.0
FORGET_SECONDS = 60.0
RECORD_SECONDS = 2.0
"""How late it is recorded that somebody was refused."""


class LastUse:
    """Token ids with the time they were last seen, until they are written down."""

    def __init__(self, tokens: TokenService) -> None:
        self._tokens = tokens
        self._used: dict[str, float] = {}

    def note(self, token_id: str, now: float) -> None:
        """A token was accepted."""
        self._used[token_id] = now

    async def flush(self) -> None:
        """Write down what was noted; what cannot be written is kept for the next time.

        A piece at a time: who revokes a token meanwhile does not wait for all of them.
        """
        used, self._used = self._used, {}
        try:
            while used:
                piece = dict(islice(used.items(), TOUCHED_AT_ONCE))
                await anyio.to_thread.run_sync(self._tokens.touch, piece)
                for token_id in piece:
                    del used[token_id]
                await anyio.sleep(TOUCH_PAUSE)
        except BaseException:
            self._used = used | self._used
            raise


class Housekeeping:
    """The rhythms of one worker.

    Args:
        forget: each drops what is too old to be of use.
        refresh_documents: looks for OpenAPI documents that changed, blocking; None in all workers
            but one.
        watch: what is recorded of those who are refused.
        publish: tells what has been counted.
        log: told of what went wrong.
    """

    def __init__(
        self,
        database: Database,
        door: Door,
        streams: OpenStreams,
        forget: Sequence[Callable[[], None]],
        last_use: LastUse,
        refresh_documents: Callable[[], object] | None,
        watch: Watch,
        publish: Callable[[], Awaitable[None]],
        log: Callable[[BaseException, bytes], None],
    ) -> None:
        self._database = database
        self._door = door
        self._streams = streams
        self._forgetting = forget
        self._last_use = last_use
        self._refresh_documents = refresh_documents
        self._watch = watch
        self._publish = publish
        self._log = log

    async def run(self) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as rhythms:
            rhythms.start_soon(self._every, POLL_SECONDS, self._poll)
            rhythms.start_soon(self._every, SWEEP_SECONDS, self._sweep)
            rhythms.start_soon(self._every, TOUCH_SECONDS, self._last_use.flush)
            rhythms.start_soon(self._every, RECORD_SECONDS, self._record)
            rhythms.start_soon(self._every, PUBLISH_SECONDS, self._publish)
            rhythms.start_soon(self._every, FORGET_SECONDS, self._forget)
            if self._refresh_documents is not None:
                rhythms.start_soon(self._every, DOCUMENTS_SECONDS, self._documents)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await anyio.sleep(seconds)
            try:
                await work()
            except StoreError:
                continue  # requests say so; a log line ten times a second would say no more
            except Exception as error:
                self._log(error, b"-")

    async def _poll(self) -> None:
        # In a thread: once a minute it writes the clock down, and waits for the disk.
        self._door.view.hear(await anyio.to_thread.run_sync(self._database.publish))
        await self._door.refresh()  # who is asked nothing must not fall ever further behind

    async def _sweep(self) -> None:
        if len(self._streams):
            if not await self._door.refresh():
                self._streams.end_all()  # whom the change concerns cannot be known
            await self._streams.sweep(self._door.clock(), self._door.decide)

    async def _forget(self) -> None:
        for forget in self._forgetting:
            forget()
        await anyio.to_thread.run_sync(self._watch.prune)

    async def _record(self) -> None:
        await anyio.to_thread.run_sync(self._watch.write)

    async def _documents(self) -> None:
        if self._refresh_documents is not None:
            await anyio.to_thread.run_sync(self._refresh_documents, abandon_on_cancel=True)
