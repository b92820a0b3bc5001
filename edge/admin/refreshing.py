"""OpenAPI documents that were missing at a deploy, or have changed since: looked for again.

Blocking. Each that differs becomes a deployment. Those of functions that the edge runs come with
their code, and do not change.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.admin import documents
from edge.admin.deploying import seen_live
from edge.admin.secret_references import References
from edge.admin.tool_lists import seen
from edge.audit.actor import acting
from edge.audit.record import Actor
from edge.audit.store import AuditTrail
from edge.functions import Deployment, Function
from edge.project_file import catalogs
from edge.registry.store import Registry, digest
from mcp_bridge.tool_changes import NOTHING, ToolChanges, compare
from tokens.database import Database

DOCUMENTS = Actor("edge", "documents")
"""Who makes deployments here, as the audit trail has it."""

RETRY_MISSING = 1.0
"""Seconds; a missing document is looked for twice that late, then after twice as long each time,
up to the refresh interval."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A document that arrived late or changed, and the deployment made for it.

    Attributes:
        changes: what it changed for agents.
    """

    function: str
    deployment: str
    changes: ToolChanges


@dataclass(slots=True)
class _Watch:
    """When to look at a live deployment's document again.

    Attributes:
        pause: seconds after the next look.
        due: by the monotonic clock.
    """

    deployment: str
    pause: float
    due: float


class Refresher:
    """Watches the live deployments of one store."""

    def __init__(
        self, database: Database, registry: Registry, references: References, trail: AuditTrail
    ) -> None:
        self._database = database
        self._registry = registry
        self._references = references
        self._trail = trail
        self._watched: dict[str, _Watch] = {}
        self._seen = -1

    def refresh(self, clock: Callable[[], float]) -> tuple[Refreshed, ...]:
        """Look again at every document that is due; make a deployment of each that differs.

        Args:
            clock: a monotonic clock, seconds.
        """
        self._watch_live(clock())
        due = [slug for slug, watch in self._watched.items() if watch.due <= clock()]
        return tuple(found for slug in due if (found := self._look_again(slug, clock)))

    def _watch_live(self, now: float) -> None:
        """Note what has been made live, or has gone, since the last time."""
        changes = self._database.changes_since(self._seen)
        if changes.keys is None:
            known = self._watched
            functions = self._registry.functions()
            self._watched = {
                function.slug: _kept(known.get(function.slug), function.live, now)
                for function in functions
                if _is_fetched(function.live)
            }
        for kind, slug in changes.keys or ():
            if kind == "function":
                self._watch(slug, self._registry.function(slug), now)
        self._seen = changes.generation

    def _watch(self, slug: str, function: Function | None, now: float) -> None:
        known = self._watched.pop(slug, None)
        if function is not None and _is_fetched(function.live):
            self._watched[slug] = _kept(known, function.live, now)

    def _look_again(self, slug: str, clock: Callable[[], float]) -> Refreshed | None:
        watch, function = self._watched[slug], self._registry.function(slug)
        if function is None or function.live.id != watch.deployment:
            return None
        made = self._refresh(function.live)
        watch.pause = min(watch.pause * 2, float(function.live.project.document.refresh))
        watch.due = clock() + watch.pause
        return made

    def _refresh(self, live: Deployment) -> Refreshed | None:
        try:
            document = documents.fetch(self._references.filled(live.project))
        except documents.NoDocument:
            return None
        if any(_has(made, document) for made in (live, *self._rolled_back(live))):
            return None
        catalog = catalogs.catalog(live.project, document)
        routes, after = catalogs.routes(live.project, catalog), seen(live.project, catalog)
        changes = compare(seen_live(self._registry, live) or NOTHING, after or NOTHING)
        with self._database.write(), acting(DOCUMENTS):
            current = self._registry.function(live.slug)
            if current is None or current.live.id != live.id:
                return None  # deployed anew while the document was on its way
            now = self._database.clock()
            deployed = self._registry.deploy(live.project, document, routes, "document", now)
            if deployed.changed:
                self._trail.note(
                    "deployment.created", function=live.slug, subject=deployed.deployment.id
                )
        if not deployed.changed:
            return None
        return Refreshed(live.slug, deployed.deployment.id, changes)

    def _rolled_back(self, live: Deployment) -> Iterable[Deployment]:
        """What a rollback to `live` has left: finding a document of one again is no change."""
        made = self._registry.deployments(live.slug)
        return itertools.takewhile(lambda deployment: deployment.id != live.id, made)


def _is_fetched(live: Deployment) -> bool:
    """Whether its document may change by itself: not where it comes with the code."""
    return live.project.run is None and live.project.document.kind in ("path", "url")


def _has(deployment: Deployment, document: bytes | None) -> bool:
    """Whether this is the document of a deployment, told without reading it."""
    return digest(deployment.project, document, deployment.code) == deployment.digest


def _kept(known: _Watch | None, live: Deployment, now: float) -> _Watch:
    """What is known of a deployment; a new one was looked at by its deploy, if it has a document.

    A missing document is looked for at once, then less and less often: a function that is gone for
    good must not cost as much as one that is about to come.
    """
    if known is not None and known.deployment == live.id:
        return known
    every = float(live.project.document.refresh)
    if live.document_bytes is None:
        return _Watch(live.id, min(RETRY_MISSING, every), now)
    return _Watch(live.id, every, now + every)
