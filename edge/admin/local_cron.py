"""Schedules and their runs on a store of this machine, directly."""

import math
from collections.abc import Callable
from typing import get_args
from zoneinfo import ZoneInfo

from edge.admin.cron_operations import CronRunInfo, ScheduleInfo, SigningSecret
from edge.admin.errors import AdminError
from edge.admin.translation import explained
from edge.audit.store import AuditTrail
from edge.cron.schedule import Schedule, schedules, ticks
from edge.cron.signing_secrets import SigningSecrets
from edge.cron.store import CronStore, Run, State
from edge.functions import Function
from edge.registry.store import Registry, UnknownFunction
from tokens.database import Database

FireNow = Callable[[str, str], str | None]
"""Starts a run of a function's schedule, by its key; its id."""


class LocalCron:
    """`CronOperations` on a store; the docstrings are the Protocol's."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        store: CronStore,
        secrets: SigningSecrets,
        fire_now: FireNow | None,
        trail: AuditTrail,
    ) -> None:
        """Args: fire_now: None where no edge is running."""
        self._database = database
        self._registry = registry
        self._store = store
        self._secrets = secrets
        self._fire_now = fire_now
        self._trail = trail

    def schedules(self, slug: str) -> tuple[ScheduleInfo, ...]:
        """See CronOperations."""
        now = self._database.clock()
        return tuple(_schedule_info(one, now) for one in schedules(self._existing(slug)))

    def runs(self, slug: str, state: str | None, limit: int | None) -> tuple[CronRunInfo, ...]:
        """See CronOperations.cron_runs."""
        wanted = _state(state)
        if limit is not None and limit < 1:
            raise AdminError("INPUT_ERROR", f"The limit must be 1 or more, not {limit}")
        with explained():
            self._existing(slug)
            self._store.settle()
            found = self._store.runs(slug, wanted, -1 if limit is None else limit)
        return tuple(_run_info(run) for run in found)

    def run(self, slug: str, id_: str) -> CronRunInfo:
        """See CronOperations.cron_run."""
        with explained():
            self._existing(slug)
            self._store.settle()
            found = self._store.run(slug, id_)
        if found is None:
            raise AdminError("NOT_FOUND", f"{slug} has no run {id_!r}; see: jelou cron logs {slug}")
        return _run_info(found)

    def fire(self, slug: str, name: str | None) -> CronRunInfo:
        """See CronOperations."""
        schedule = _named(slug, schedules(self._existing(slug)), name)
        if self._fire_now is None:
            raise AdminError("TRANSIENT_ERROR", "No edge is running; start it with: jelou serve")
        with explained():
            id_ = self._fire_now(slug, schedule.key)
        if id_ is None:
            raise AdminError("NOT_FOUND", f"{slug} has been changed meanwhile; try again")
        return self.run(slug, id_)

    def signing_secret(self, slug: str) -> SigningSecret:
        """See CronOperations."""
        with explained(), self._database.write():
            self._existing(slug)
            found = self._secrets.of(slug, self._database.clock())
            self._trail.note("signing_secret.shown", function=slug)
        return SigningSecret(slug, *found[:2])

    def rotate(self, slug: str, overlap: float) -> SigningSecret:
        """See CronOperations.rotate_signing_secret."""
        if not (math.isfinite(overlap) and overlap >= 0):
            raise AdminError("INPUT_ERROR", "The overlap must be 0 seconds or more")
        with explained(), self._database.write():
            self._existing(slug)
            now = self._database.clock()
            self._secrets.rotate(slug, overlap, now)
            found = self._secrets.of(slug, now)
            self._trail.note("signing_secret.rotated", function=slug, overlap=overlap)
        return SigningSecret(slug, *found[:2])

    def forget(self, slug: str) -> None:
        """Forget a function that is being deleted."""
        self._store.forget(slug)
        self._secrets.forget(slug)

    def _existing(self, slug: str) -> Function:
        with explained():
            function = self._registry.function(slug)
            if function is None:
                raise UnknownFunction(slug)
            return function


def _state(text: str | None) -> State | None:
    known: tuple[State, ...] = get_args(State)
    found = next((state for state in known if text and state == text.lower()), None)
    if text is not None and found is None:
        raise AdminError("INPUT_ERROR", f"{text!r} is no state; write one of {', '.join(known)}")
    return found


def _named(slug: str, found: tuple[Schedule, ...], name: str | None) -> Schedule:
    """The schedule that is meant."""
    fitting = [one for one in found if name in (None, one.cron.name, one.cron.expression)]
    if len(fitting) == 1:
        return fitting[0]
    labels = ", ".join(dict.fromkeys(one.label for one in fitting or found))
    if fitting:
        raise AdminError("INPUT_ERROR", f"{slug} has several schedules; name one of: {labels}")
    if not found:
        raise AdminError("NOT_FOUND", f"{slug} has no schedule; see config.cron")
    raise AdminError("NOT_FOUND", f"{slug} has no schedule {name!r}; it has: {labels}")


def _schedule_info(one: Schedule, now: float) -> ScheduleInfo:
    cron = one.cron
    following = next(ticks(cron.expression, ZoneInfo(cron.timezone), now), None)
    return ScheduleInfo(
        name=cron.name,
        expression=cron.expression,
        timezone=cron.timezone,
        tool=one.tool or None,
        target=None if one.target is None else one.target.decode(),
        bot_id=cron.bot_id,
        overlap=cron.overlap,
        grace=cron.grace,
        next=None if following is None else float(following),
    )


def _run_info(run: Run) -> CronRunInfo:
    return CronRunInfo(
        id=run.id,
        function=run.function,
        name=run.name or None,
        expression=run.expression,
        tool=run.tool or None,
        manual=run.manual,
        due=None if run.tick is None else float(run.tick),
        state=run.state,
        status=run.status,
        code=run.code,
        started=run.started,
        ended=run.ended,
        duration=None if run.duration is None else round(run.duration * 1000),
    )
