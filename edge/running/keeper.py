"""Carries out what the plans of all deployments want, and tells the workers.

Not here: when instances are wanted (`plan`), what one is (`instance`), sockets and the store
(`runner`), trials (`trials`).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edge.config import Config
from edge.functions import Deployment, Function, Run, Scale
from edge.running.instance import Instance, Sources, Wanted, explained
from edge.running.plan import End, Leave, Phase, Plan, Refuse, Start, Step
from edge.running.protocol import (
    Failed,
    FunctionStatus,
    Gone,
    LastExit,
    Leaving,
    ProcessStatus,
    ToWorker,
    Up,
)
from edge.running.rooms import Rooms
from edge.running.runs import RunFailed

LOG = logging.getLogger("edge.running")

MARGIN = 1.0
"""Seconds that a former deployment stays beyond the time for which requests are queued."""


@dataclass(slots=True, eq=False)
class Kept:
    """A deployment and its instances.

    Attributes:
        lives: what waits for an instance's own end, by instance.
        endings: what ends an instance.
        changed: set, and replaced, whenever something has happened.
        broken: how many starts have failed.
    """

    wanted: Wanted
    scale: Scale
    plan: Plan
    instances: dict[str, Instance] = field(default_factory=dict)
    lives: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    endings: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    last_exit: LastExit | None = None
    broken: int = 0

    @property
    def id(self) -> str:
        """Of the deployment."""
        return self.wanted.deployment

    def happened(self) -> None:
        """Wake who waits for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def up(self, instance: Instance) -> Up:
        """What the workers are told of an instance that answers."""
        return Up(self.id, instance.id, instance.address, self.scale.concurrency)


class Keeper:
    """See the module.

    Args:
        tell: sends a message to every worker.
        clock: monotonic, seconds.

    Attributes:
        workers: the process ids of those that are connected.
    """

    def __init__(
        self,
        config: Config,
        rooms: Rooms,
        sources: Sources,
        tell: Callable[[ToWorker], None],
        clock: Callable[[], float],
    ) -> None:
        self.workers: set[int] = set()
        self._config = config
        self._rooms = rooms
        self._sources = sources
        self._tell = tell
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._live: dict[str, str] = {}
        self._awake: dict[str, Kept] = {}
        self._stopping = False

    # What is live.

    def set_live(self, slug: str, function: Function | None) -> Kept | None:
        """A function has changed, or is gone; its live deployment, if that is new here.

        That one is not stepped yet.
        """
        live = function.live if function and function.live.project.run else None
        former = self._kept.get(self._live.get(slug, ""))
        if live is not None and former is not None and former.id == live.id:
            return None
        if former is not None:
            self._retire(former, deleted=function is None)
            del self._live[slug]
        if live is None or live.project.run is None:
            return None
        kept = self._revived(live, live.project.run)
        self._live[slug] = kept.id
        if former is not None and former.plan.members:
            kept.plan.touch(self._clock())
        return kept

    def slugs(self) -> list[str]:
        """Of the live functions that the edge runs."""
        return list(self._live)

    def live(self, deployment: str) -> Kept | None:
        """A live deployment by its id."""
        kept = self._kept.get(deployment)
        return kept if kept and self._live.get(kept.wanted.slug) == deployment else None

    def _retire(self, kept: Kept, *, deleted: bool) -> None:
        linger = 0.0 if deleted else self._config.queue_timeout + MARGIN
        kept.plan.retire(self._clock(), linger)
        self.step(kept)

    def _revived(self, live: Deployment, run: Run) -> Kept:
        if kept := self._kept.get(live.id):
            kept.plan.revive(self._clock())
            return kept
        wanted = Wanted(live.slug, live.id, run, live.code)
        plan = Plan(run.scale, self._config.drain_timeout)
        return self._kept.setdefault(live.id, Kept(wanted, run.scale, plan))

    # What workers say.

    def need(self, worker: int, deployment: str, waiting: int) -> None:
        """See `protocol.Need`."""
        kept = self._kept.get(deployment)
        if kept is not None:
            kept.plan.need(worker, waiting, self._clock())
            self.step(kept)
        elif waiting:
            self._tell(Failed(deployment, "This deployment is not live any more"))

    def load(self, worker: int, deployment: str, active: int) -> None:
        """See `protocol.Load`."""
        if kept := self._kept.get(deployment):
            kept.plan.load(worker, active, self._clock())
            self.step(kept)

    def clear(self, worker: int, instance: str) -> None:
        """See `protocol.Clear`."""
        for kept in list(self._awake.values()):
            if instance in kept.instances:
                kept.plan.clear(worker, instance)
                self.step(kept)

    def verdict(self, deployment: str, instance: str) -> ToWorker | None:
        """The answer to `protocol.Doubt`; None if it is dying: all are told once it has died."""
        kept = self._kept.get(deployment)
        found = kept.instances.get(instance) if kept else None
        if kept is None or found is None:
            return Gone(deployment, instance)
        if found.is_ending:
            return None
        is_up = kept.plan.members[instance].phase is Phase.UP
        return kept.up(found) if is_up else Leaving(deployment, instance)

    def lost(self, worker: int) -> None:
        """A worker is gone."""
        self.workers.discard(worker)
        for kept in self._kept.values():
            kept.plan.lost(worker)
        self.step_all()

    def ups(self) -> Iterable[Up]:
        """What a new worker must know."""
        for kept in self._awake.values():
            for instance in kept.plan.of(Phase.UP):
                yield kept.up(kept.instances[instance])

    # What is done.

    def step_all(self) -> None:
        """Do what is due; four times a second."""
        for kept in list(self._awake.values()):
            self.step(kept)

    def step(self, kept: Kept) -> None:
        """Do what is due for one deployment."""
        if self._stopping:
            return
        now = self._clock()
        for step in kept.plan.steps(now, self.workers):
            self._do(kept, step)
        if kept.plan.is_over(now):
            self._kept.pop(kept.id, None)
        if kept.plan.is_over(now) or kept.plan.is_asleep(now):
            self._awake.pop(kept.id, None)
        else:
            self._awake[kept.id] = kept
        kept.happened()

    def _do(self, kept: Kept, step: Step) -> None:
        match step:
            case Start():
                self._start(kept)
            case Leave(instance):
                self._tell(Leaving(kept.id, instance))
            case End(instance):
                self._begin_end(kept, instance, self._config.stop_timeout)
            case Refuse():
                last = kept.last_exit
                self._tell(Failed(kept.id, explained(last) if last else "It does not start"))

    def _start(self, kept: Kept) -> None:
        instance = Instance(kept.wanted, self._config, self._rooms, self._sources)
        kept.instances[instance.id] = instance
        kept.plan.starting(instance.id, self._clock())
        kept.lives[instance.id] = _task(self._life(kept, instance))

    async def _life(self, kept: Kept, instance: Instance) -> None:
        """From its start to its own end."""
        try:
            await instance.start()
        except RunFailed as error:
            kept.broken += 1
            self._broke(kept, instance, instance.last_exit(error.reason))
            return
        self._is_up(kept, instance)
        self.step(kept)
        await self._until_ended(kept, instance)

    def _is_up(self, kept: Kept, instance: Instance) -> None:
        """Note and tell in one: the next step may have it leave, which is to be told behind."""
        kept.plan.up(instance.id, self._clock())
        self._tell(kept.up(instance))

    async def _until_ended(self, kept: Kept, instance: Instance) -> None:
        await instance.exited()
        self._tell(Gone(kept.id, instance.id))  # before its last words: nobody is to call it now
        self._broke(kept, instance, await instance.ended())

    def _broke(self, kept: Kept, instance: Instance, last: LastExit) -> None:
        """An instance has ended of itself, or must because it does not start."""
        if kept.plan.members[instance.id].phase in (Phase.STARTING, Phase.UP):
            kept.last_exit = last
            kept.plan.failed(instance.id, self._clock())
            instance.say(last.reason)
            LOG.warning("function %s (%s): %s", instance.slug, kept.id, last.reason)
        self._begin_end(kept, instance.id, 0.0)
        self.step(kept)
        pause = kept.plan.retry_in(self._clock())
        asyncio.get_running_loop().call_later(pause, self.step, kept)

    def _begin_end(self, kept: Kept, instance: str, timeout: float) -> None:
        if instance in kept.endings:
            return
        life = kept.lives.pop(instance, None)
        if life is not None and life is not asyncio.current_task():
            life.cancel()
        kept.endings[instance] = _task(self._end(kept, kept.instances[instance], timeout))

    async def _end(self, kept: Kept, instance: Instance, timeout: float) -> None:
        await instance.end(timeout)
        kept.plan.gone(instance.id)
        del kept.instances[instance.id], kept.endings[instance.id]
        self._tell(Gone(kept.id, instance.id))
        self.step(kept)

    def adopt(self, kept: Kept, instance: Instance) -> None:
        """Take a trial's process, which is up, as an instance."""
        instance.deployment = kept.id
        kept.instances[instance.id] = instance
        self._is_up(kept, instance)
        kept.lives[instance.id] = _task(self._until_ended(kept, instance))

    def instances(self) -> list[Instance]:
        """All there are."""
        return [i for kept in self._awake.values() for i in kept.instances.values()]

    async def stop(self) -> None:
        """End every instance; none is started any more."""
        self._stopping = True
        for kept in self._awake.values():
            for instance in list(kept.instances):
                self._begin_end(kept, instance, self._config.stop_timeout)
        endings = [task for kept in self._awake.values() for task in kept.endings.values()]
        await asyncio.gather(*endings, return_exceptions=True)

    # What operations ask.

    async def restart(self, slug: str) -> None:
        """See `protocol.Restart`. Raises RunFailed."""
        kept = self._of(slug)
        if not kept.plan.of(Phase.STARTING, Phase.UP):
            kept.plan.restart()
            return
        broken = kept.broken
        kept.plan.restart()
        self.step(kept)
        while not kept.plan.is_renewed:
            await kept.changed.wait()
            if kept.broken > broken and kept.last_exit is not None:
                kept.plan.keep_former()
                raise RunFailed(explained(kept.last_exit))

    async def ended(self, slug: str) -> None:
        """See `protocol.AwaitEnd`."""
        former = [kept for kept in self._awake.values() if kept.wanted.slug == slug]
        for kept in former:
            while kept.instances and self._live.get(slug) != kept.id:
                await kept.changed.wait()

    def status(self, slug: str) -> FunctionStatus:
        """See `protocol.AskStatus`. Raises RunFailed."""
        kept, now = self._of(slug), self._clock()
        plan = kept.plan
        state = plan.state(now)
        return FunctionStatus(
            slug=slug,
            deployment=kept.id,
            state=state,
            restarts=plan.restarts,
            waiting=plan.waiting,
            active=plan.active,
            retry_in=plan.retry_in(now) if state == "backing off" else 0.0,
            processes=tuple(self._processes(slug)),
            last_exit=kept.last_exit,
        )

    def _of(self, slug: str) -> Kept:
        if slug not in self._live:
            raise RunFailed(f"The edge runs no function {slug}")
        return self._kept[self._live[slug]]

    def _processes(self, slug: str) -> Iterable[ProcessStatus]:
        for kept in self._awake.values():
            if kept.wanted.slug == slug:
                yield from map(partial(_process, kept), kept.instances.values())


def _process(kept: Kept, instance: Instance) -> ProcessStatus:
    phase = kept.plan.members[instance.id].phase
    return ProcessStatus(
        instance=instance.id,
        deployment=kept.id,
        state="leaving" if phase is Phase.ENDING else phase.name.lower(),
        pid=instance.pid,
        started=instance.started,
        memory=instance.memory,
        processes=instance.processes,
    )


_TASKS: set[asyncio.Task[None]] = set()


def _task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run something beside; what goes wrong there is logged."""
    task = asyncio.create_task(work)
    _TASKS.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: asyncio.Task[None]) -> None:
    _TASKS.discard(task)
    if not task.cancelled() and task.exception() is not None:
        LOG.error("an instance was lost sight of", exc_info=task.exception())
