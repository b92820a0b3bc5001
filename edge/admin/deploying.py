"""Deploying: project file and document in, a live deployment and its first token out.

Also what follows a deploy later: documents that were missing or have changed. Blocking; nothing
is written before everything has been read and checked.
"""

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from edge.admin import documents, example
from edge.admin.errors import AdminError
from edge.admin.expectations import refuse_others
from edge.admin.operations import DeployRequest, DeployResult
from edge.admin.projects import checked, listed, seen
from edge.config import Config, base_url, function_url
from edge.functions import Deployment, Function, Project, Route
from edge.project_file import catalogs
from edge.project_file.parse import (
    Parsed,
    ProjectError,
    parse_project,
    project_for_url,
    render_project,
)
from edge.registry.store import Deployed, HostTaken, Registry, digest
from mcp_bridge.catalog import Catalog
from mcp_bridge.tool_changes import NOTHING, Seen, ToolChanges, compare
from mcp_bridge.tool_changes import digest as tools_digest
from mcp_bridge.tools import ToolWarning
from tokens.database import Database
from tokens.service import TokenService

FIRST_TOKEN = "default"
RETRY_MISSING = 1.0
"""Seconds; a missing document is looked for twice that late, then after twice as long each time,
up to the refresh interval."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this edge's functions are reached.

    Attributes:
        bound: the addresses as they are bound, ports included; without an edge the configured ones.
        running: whether an edge serves the store now.
    """

    config: Config
    bound: tuple[str, ...]
    running: bool

    @property
    def base(self) -> str:
        """The edge's own address."""
        return base_url(self.config, self.bound)

    def url(self, slug: str) -> str:
        """A function's address."""
        return function_url(self.config, self.bound, slug)

    def mcp_url(self, project: Project) -> str | None:
        """The address of a function's MCP endpoint, or None if it has none."""
        return f"{self.url(project.slug)}/mcp" if project.config.mcp.enabled else None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A document that arrived late or changed, and the deployment made for it.

    Attributes:
        changes: what it changed for agents.
    """

    function: str
    deployment: str
    changes: ToolChanges


@dataclass(frozen=True, slots=True)
class _Draft:
    """All that a deployment will be made of."""

    project: Project
    document: bytes | None
    warnings: tuple[str, ...]


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


class Deployer:
    """Makes deployments in one store."""

    def __init__(
        self, database: Database, registry: Registry, tokens: TokenService, place: Place
    ) -> None:
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self._place = place
        self._watched: dict[str, _Watch] = {}
        self._seen = -1

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See `Operations.deploy`."""
        draft = self._draft(request)
        catalog = catalogs.catalog(draft.project, draft.document)
        # All that may fail is done before the write: a token made by it must not be lost after it.
        result = self._preview(draft, catalog, request)
        call = example.call(result.url, catalog)
        secret = None
        if not request.dry_run:
            routes = catalogs.routes(draft.project, catalog)
            deployed, secret = self._write(draft, routes, request.create_token)
            result = replace(
                result,
                id=deployed.deployment.id,
                created=deployed.deployment.created,
                changed=deployed.changed,
                first=deployed.first,
                token=secret,
            )
        return replace(
            result, example=example.curl(call, secret, public=draft.project.config.public)
        )

    def refresh(self, clock: Callable[[], float]) -> tuple[Refreshed, ...]:
        """Look again at every document that is due; make a deployment of each that differs.

        Args:
            clock: a monotonic clock, seconds.
        """
        self._watch_live(clock())
        due = [slug for slug, watch in self._watched.items() if watch.due <= clock()]
        return tuple(found for slug in due if (found := self._look_again(slug, clock)))

    def _draft(self, request: DeployRequest) -> _Draft:
        if request.url is not None:
            return self._draft_for_url(request.url, request.slug)
        parsed = self._parsed(request)
        project = checked(parsed)
        if request.slug not in (None, project.slug):
            raise AdminError("INPUT_ERROR", "--slug is for a URL; the project file names the slug")
        warnings = tuple(str(warning) for warning in parsed.warnings)
        document, more = self._document(project, request)
        return _Draft(project, document, warnings + more)

    def _parsed(self, request: DeployRequest) -> Parsed:
        if request.project is None:
            raise AdminError("INPUT_ERROR", "There is nothing to deploy: no project, no URL")
        config = self._place.config
        return parse_project(
            request.project, base=request.base, max_timeout=config.max_timeout, domain=config.domain
        )

    def _document(
        self, project: Project, request: DeployRequest
    ) -> tuple[bytes | None, tuple[str, ...]]:
        source = project.document
        try:
            if source.kind != "file":
                return documents.fetch(project), ()
            if request.document is None:
                raise AdminError("INPUT_ERROR", f"The document {source.location} was not sent")
            return documents.check(request.document.encode(), source.location), ()
        except documents.NoDocument as error:
            return self._without(project, error)

    def _draft_for_url(self, url: str, slug: str | None) -> _Draft:
        """A project for a function that is known by its address alone, its document looked for."""
        try:
            project = project_for_url(url, slug)
        except ProjectError as error:
            raise AdminError("INPUT_ERROR", str(error)) from None
        live = self._registry.function(project.slug)
        known = live.live.project if live is not None else None
        if known is not None and known.upstreams == project.upstreams:
            places = dict.fromkeys((known.document.location, *documents.USUAL_PLACES))
        else:
            places = dict.fromkeys(documents.USUAL_PLACES)
        failures = []
        for place in (place for place in places if place.startswith("/")):
            found = _with_document_at(project, place)
            try:
                return _Draft(found, documents.fetch(found), ())
            except documents.NoDocument as error:
                failures.append((found, error))
                if error.outcome == "unreachable":
                    break
        worst = next((f for f in failures if f[1].outcome != "absent"), failures[0])
        document, warnings = self._without(*worst)
        return _Draft(worst[0] if document else failures[0][0], document, warnings)

    def _without(
        self, project: Project, error: documents.NoDocument
    ) -> tuple[bytes | None, tuple[str, ...]]:
        """What stands in for a document that cannot be had: the live one, if it may still hold."""
        function = self._registry.function(project.slug)
        live = function.live if function is not None else None
        if error.outcome == "absent":
            declared = project.document.declared
            return None, ((f"No OpenAPI document: {error}.",) if declared else ())
        kept = live and self._registry.document(live.id)
        if live is not None and kept and live.project.document == project.document:
            return kept, (f"{_why(error)} The document deployed before is kept.",)
        return None, (f"{_why(error)} {_PROMISE[error.outcome]}",)

    def _write(
        self, draft: _Draft, routes: tuple[Route, ...], create_token: bool
    ) -> tuple[Deployed, str | None]:
        project, secret = draft.project, None
        with self._database.write():
            now = self._database.clock()
            deployed = self._registry.deploy(project, draft.document, routes, "deploy", now)
            if deployed.first and create_token:
                secret = self._tokens.create(project.slug, FIRST_TOKEN).secret
        return deployed, secret

    def _preview(self, draft: _Draft, catalog: Catalog, request: DeployRequest) -> DeployResult:
        """The result of writing nothing: `changed` and `first` say what a deploy would do."""
        project = draft.project
        function = self._registry.function(project.slug)
        for host in project.hosts:
            owner = self._registry.by_host(host)
            if owner is not None and owner.slug != project.slug:
                raise HostTaken(host, owner.slug)
        changed = function is None or function.live.digest != digest(project, draft.document)
        after = seen(project, catalog)
        before = after if not changed else self._seen_live(function.live) if function else NOTHING
        if request.expect_tools is not None:
            refuse_others(request.expect_tools, before, after)
        return DeployResult(
            id=function.live.id if function else None,
            function=project.slug,
            url=self._place.url(project.slug),
            mcp_url=self._place.mcp_url(project),
            tools=listed(project, catalog),
            tool_changes=compare(before or NOTHING, after or NOTHING),
            tools_digest=None if after is None else tools_digest(after),
            changed=changed,
            first=function is None,
            created=function.live.created if function else None,
            dry_run=request.dry_run,
            running=self._place.running,
            warnings=draft.warnings + tool_warnings(project, draft.document, catalog),
            project=json.loads(render_project(project)),
        )

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
            document = documents.fetch(live.project)
        except documents.NoDocument:
            return None
        if any(_has(made, document) for made in (live, *self._rolled_back(live))):
            return None
        catalog = catalogs.catalog(live.project, document)
        routes, after = catalogs.routes(live.project, catalog), seen(live.project, catalog)
        changes = compare(self._seen_live(live) or NOTHING, after or NOTHING)
        with self._database.write():
            current = self._registry.function(live.slug)
            if current is None or current.live.id != live.id:
                return None  # deployed anew while the document was on its way
            now = self._database.clock()
            deployed = self._registry.deploy(live.project, document, routes, "document", now)
        if not deployed.changed:
            return None
        return Refreshed(live.slug, deployed.deployment.id, changes)

    def _seen_live(self, live: Deployment) -> Seen | None:
        """A deployment's tools as agents see them."""
        document = self._registry.document(live.id)
        return seen(live.project, catalogs.catalog(live.project, document))

    def _rolled_back(self, live: Deployment) -> Iterable[Deployment]:
        """What a rollback to `live` has left: finding a document of one again is no change."""
        made = self._registry.deployments(live.slug)
        return itertools.takewhile(lambda deployment: deployment.id != live.id, made)


def _is_fetched(live: Deployment) -> bool:
    return live.project.document.kind in ("path", "url")


def _has(deployment: Deployment, document: bytes | None) -> bool:
    """Whether this is the document of a deployment, told without reading it."""
    return digest(deployment.project, document) == deployment.digest


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


def tool_warnings(project: Project, document: bytes | None, catalog: Catalog) -> tuple[str, ...]:
    """What the catalog had to leave out, and an empty list where one would expect tools."""
    lost = tuple(
        f"Tool {name}: its operation is not in the document, so its settings do not apply"
        for name in catalogs.unresolved(project, catalog)
    )
    if not project.config.mcp.enabled:
        return lost
    found = tuple(_told(warning) for warning in catalog.warnings)
    if document is None and not project.tools and project.config.mcp.upstream is None:
        return (*lost, *found, _EMPTY)
    return (*lost, *found)


def _told(warning: ToolWarning) -> str:
    return f"Tool {warning.tool}: {warning.message}" if warning.tool else warning.message


def _with_document_at(project: Project, place: str) -> Project:
    value = json.loads(project.text)
    if place != documents.USUAL_PLACES[0]:
        value["openapi"] = place
    return checked(parse_project(json.dumps(value)))


def _why(error: documents.NoDocument) -> str:
    happened = "is broken" if error.outcome == "broken" else "could not be fetched"
    return f"The OpenAPI document {happened}: {str(error).removesuffix('.')}."


_EMPTY = 'There is no OpenAPI document and no "tools": the list of tools is empty.'
_PROMISE = {
    "broken": "Plain HTTP is forwarded all the same; its tools appear once it is mended.",
    "unreachable": "The function is deployed; its tools appear once the document can be fetched.",
}
