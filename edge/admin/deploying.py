"""Deploying: project file and document in, a live deployment and its first token out.

Blocking; nothing is written before everything has been read and checked. Not here: documents that
come or change later (`refreshing.py`), and code (`running.py`).
"""

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace

from edge.admin import documents, example
from edge.admin.errors import AdminError
from edge.admin.expectations import refuse_others
from edge.admin.operations import DeployRequest, DeployResult
from edge.admin.projects import checked
from edge.admin.running import Running, Tried
from edge.admin.secret_references import References
from edge.admin.tool_lists import listed, seen
from edge.audit.store import AuditTrail
from edge.config import Config, base_url, function_url
from edge.functions import Deployment, Project, Route
from edge.logs import kept as logs
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
from mcp_bridge.tool_changes import NOTHING, Seen, compare
from mcp_bridge.tool_changes import digest as tools_digest
from mcp_bridge.tools import ToolWarning
from tokens.database import Database
from tokens.service import TokenService

FIRST_TOKEN = "default"


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
class _Draft:
    """All that a deployment will be made of.

    Attributes:
        tried: its code, already up, where the edge runs it; None where it does not.
    """

    project: Project
    document: bytes | None
    warnings: tuple[str, ...]
    tried: Tried | None = None

    @property
    def code(self) -> str:
        """As `Deployment.code`."""
        return self.tried.code if self.tried is not None else ""


class Deployer:
    """Makes deployments in one store."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        tokens: TokenService,
        place: Place,
        references: References,
        running: Running,
        trail: AuditTrail,
    ) -> None:
        self._references = references
        self._running = running
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self._place = place
        self._trail = trail

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See `Operations.deploy`."""
        try:
            with ExitStack() as trials:
                return self._deploy(request, trials)
        finally:
            self._running.prune(self._registry.codes)

    def _deploy(self, request: DeployRequest, trials: ExitStack) -> DeployResult:
        draft = self._draft(request, trials)
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
                warnings=result.warnings + self._adopted(draft, deployed),
            )
        return replace(
            result, example=example.curl(call, secret, public=draft.project.config.public)
        )

    def _draft(self, request: DeployRequest, trials: ExitStack) -> _Draft:
        if request.url is not None:
            return self._draft_for_url(request.url, request.slug)
        parsed = self._parsed(request)
        project = checked(parsed)
        if request.slug not in (None, project.slug):
            raise AdminError("INPUT_ERROR", "--slug is for a URL; the project file names the slug")
        self._references.check(project)
        warnings = tuple(str(warning) for warning in parsed.warnings)
        if project.run is not None:
            if self._registry.function(project.slug) is None:
                # What a deleted function said while it ended is not for the next of its name.
                logs.remove(self._place.config.data_dir, project.slug)
            tried = trials.enter_context(self._running.tried(project, request))
            return _Draft(tried.project, tried.document, warnings + tried.warnings, tried)
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
                return documents.fetch(self._references.filled(project)), ()
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
            self._references.check(project)  # one may have been deleted meanwhile
            now = self._database.clock()
            wanted = draft.tried.deployment if draft.tried is not None else ""
            deployed = self._registry.deploy(
                project, draft.document, routes, "deploy", now, draft.code, wanted
            )
            self._registry.prune(project.slug, self._place.config.deployments_kept)
            if deployed.changed:
                self._trail.note(
                    "deployment.created",
                    function=project.slug,
                    subject=deployed.deployment.id,
                    first=deployed.first,
                    public=project.config.public,
                    upstream=[upstream.url for upstream in project.upstreams],
                )
            if deployed.first and create_token:
                secret = self._first_token(project.slug)
        return deployed, secret

    def _first_token(self, slug: str) -> str:
        made = self._tokens.create(slug, FIRST_TOKEN)
        self._trail.note("token.created", function=slug, subject=made.token.id, name=FIRST_TOKEN)
        return made.secret

    def _adopted(self, draft: _Draft, deployed: Deployed) -> tuple[str, ...]:
        """What went wrong with letting a deployment that is live now have its process."""
        if draft.tried is None or not deployed.changed:
            return ()
        return self._running.adopt(draft.tried.trial, deployed.deployment.id)

    def _preview(self, draft: _Draft, catalog: Catalog, request: DeployRequest) -> DeployResult:
        """The result of writing nothing: `changed` and `first` say what a deploy would do."""
        project = draft.project
        function = self._registry.function(project.slug)
        for host in project.hosts:
            owner = self._registry.by_host(host)
            if owner is not None and owner.slug != project.slug:
                raise HostTaken(host, owner.slug)
        changed = function is None or function.live.digest != digest(
            project, draft.document, draft.code
        )
        after = seen(project, catalog)
        before = after
        if changed:
            before = seen_live(self._registry, function.live) if function else NOTHING
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


def seen_live(registry: Registry, live: Deployment) -> Seen | None:
    """A deployment's tools as agents see them."""
    return seen(live.project, catalogs.catalog(live.project, registry.document(live.id)))


def tool_warnings(project: Project, document: bytes | None, catalog: Catalog) -> tuple[str, ...]:
    """What the catalog had to leave out, and an empty list where one would expect tools."""
    lost = tuple(
        f"Tool {name}: its operation is not in the document, so its settings do not apply"
        for name in catalogs.unresolved(project, catalog)
    ) + tuple(
        f"Tool {name}: its path has parameters, so its schedules cannot be fired"
        for name in catalogs.unscheduled(project, catalog)
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
