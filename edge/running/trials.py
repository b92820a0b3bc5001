"""Trials: processes of what may become a deployment, each until it is adopted or dropped."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edge.config import Config
from edge.functions import Run
from edge.project_file.parse import ProjectError, load_project
from edge.running.instance import Instance, Sources, Wanted, explained
from edge.running.keeper import Keeper, Kept
from edge.running.protocol import StartTrial
from edge.running.rooms import Rooms
from edge.running.runs import RunFailed


@dataclass(slots=True, eq=False)
class Tried:
    """One trial.

    Attributes:
        deployment: who has adopted it; empty before.
    """

    wanted: Wanted
    instance: Instance
    is_ready: bool = False
    deployment: str = ""

    def fits(self, kept: Kept) -> bool:
        """Whether it runs what this deployment would be started with."""
        mine, wanted = self.wanted, kept.wanted
        if self.deployment or not self.is_ready:
            return False
        same = (mine.slug, mine.code, mine.run) == (wanted.slug, wanted.code, wanted.run)
        return same or mine.deployment == wanted.deployment


class Trials:
    """Those of one runner."""

    def __init__(self, config: Config, rooms: Rooms, sources: Sources, keeper: Keeper) -> None:
        self._config = config
        self._rooms = rooms
        self._sources = sources
        self._keeper = keeper
        self._tried: dict[str, Tried] = {}

    async def start(self, asked: StartTrial, said: Callable[[bytes], None]) -> str:
        """The address of a new process that answers. Raises RunFailed; nothing is left then."""
        if asked.trial in self._tried:
            raise RunFailed("There is such a trial already")
        wanted = Wanted(asked.slug, asked.deployment or asked.trial, run_of(asked), asked.code)
        instance = Instance(wanted, self._config, self._rooms, self._sources)
        tried = self._tried[asked.trial] = Tried(wanted, instance)
        instance.listener = said
        try:
            await instance.start()
        except RunFailed as error:
            await self.drop(asked.trial, 0.0)
            raise RunFailed(explained(instance.last_exit(error.reason))) from None
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.create_task(self.drop(asked.trial, 0.0)))
            raise
        instance.listener = None
        tried.is_ready = True
        return instance.address

    def adopt(self, trial: str, deployment: str) -> None:
        """Make it the first instance of a live deployment. Raises RunFailed."""
        tried, kept = self._tried.get(trial), self._keeper.live(deployment)
        if tried is None or kept is None:
            what = "such a trial" if tried is None else f"live deployment {deployment}"
            raise RunFailed(f"There is no {what}")
        if tried.deployment not in ("", deployment):
            raise RunFailed(f"The trial belongs to {tried.deployment}")
        if not tried.deployment:
            self._give(tried, kept)

    def adopt_fitting(self, kept: Kept) -> None:
        """Let a deployment that has become live have the process that was tried for it."""
        for tried in self._tried.values():
            if tried.fits(kept):
                self._give(tried, kept)
                return

    def _give(self, tried: Tried, kept: Kept) -> None:
        tried.deployment = kept.id
        self._keeper.adopt(kept, tried.instance)

    async def drop(self, trial: str, timeout: float | None = None) -> None:
        """End it, unless it has been adopted; nothing of it is left then.

        Args:
            timeout: seconds until SIGKILL; None for `stop_timeout`.
        """
        tried = self._tried.pop(trial, None)
        if tried is not None and not tried.deployment:
            await tried.instance.end(self._config.stop_timeout if timeout is None else timeout)

    def instances(self) -> list[Instance]:
        """Those that nobody has adopted."""
        return [one.instance for one in self._tried.values() if not one.deployment]

    async def stop(self) -> None:
        """End them all."""
        await asyncio.gather(*(self.drop(trial) for trial in list(self._tried)))


def run_of(asked: StartTrial) -> Run:
    """How a trial's project is run. Raises RunFailed."""
    try:
        project = load_project(asked.project)
    except ProjectError as error:
        raise RunFailed(str(error)) from None
    if project.run is None or project.slug != asked.slug:
        raise RunFailed("This is not a project that the edge runs")
    return project.run
