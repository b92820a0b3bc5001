"""The operations on a store of this machine: functions, deployments and tokens, directly.

The running edge serves these over its socket; without one the command line uses them itself.
"""

import getpass
import os
from collections.abc import Callable

from edge.admin.deploying import Deployer, Place, Refreshed, tool_warnings
from edge.admin.local_tokens import LocalTokens
from edge.admin.operations import (
    Deleted,
    DeploymentFiles,
    DeploymentInfo,
    DeployRequest,
    DeployResult,
    EdgeInfo,
    FunctionInfo,
    FunctionSummary,
    Identity,
    RolledBack,
)
from edge.admin.projects import listed, seen
from edge.admin.translation import explained
from edge.functions import Deployment, Function
from edge.observe.log import log_refreshed
from edge.project_file import catalogs
from edge.registry.store import Registry, UnknownDeployment
from mcp_bridge.tool_changes import NOTHING, Seen, compare, digest
from tokens.access import AccessService
from tokens.database import Database
from tokens.service import TokenService


class LocalOperations(LocalTokens):
    """`Operations` on a store; the docstrings are the Protocol's."""

    def __init__(
        self,
        *,
        database: Database,
        registry: Registry,
        tokens: TokenService,
        access: AccessService,
        place: Place,
        version: str,
    ) -> None:
        super().__init__(database, registry, tokens, access)
        self._place = place
        self._version = version
        self._deployer = Deployer(database, registry, tokens, place)

    def info(self) -> EdgeInfo:
        """See Operations."""
        with explained():
            count = self._registry.count()
        return EdgeInfo(self._place.base, self._version, self._place.running, count)

    def whoami(self) -> Identity:
        """See Operations."""
        return Identity("local", _user(), self._place.base)

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See Operations."""
        with explained():
            return self._deployer.deploy(request)

    def refresh_documents(self, clock: Callable[[], float]) -> tuple[Refreshed, ...]:
        """Fetch documents that are due; a running edge calls this every few seconds.

        Blocking, up to 10 s for each function that does not answer. Each deployment made is a line
        on stderr that says which tools it changed.

        Args:
            clock: a monotonic clock, seconds.
        """
        with explained():
            found = self._deployer.refresh(clock)
        for made in found:
            log_refreshed(made.function, made.deployment, made.changes)
        return found

    def functions(self) -> tuple[FunctionSummary, ...]:
        """See Operations."""
        with explained():
            found = sorted(self._registry.functions(), key=lambda function: function.slug)
        return tuple(self._summary(function) for function in found)

    def function(self, slug: str) -> FunctionInfo:
        """See Operations."""
        with explained():
            return self._function_info(self._existing(slug))

    def delete_function(self, slug: str) -> Deleted:
        """See Operations."""
        with explained(), self._database.write():
            self._existing(slug)
            count = len(self._tokens.list(slug))
            self._tokens.revoke_all(slug)
            self._registry.delete(slug)
        return Deleted(slug, count)

    def deployments(self, slug: str) -> tuple[DeploymentInfo, ...]:
        """See Operations."""
        with explained():
            live = self._existing(slug).live.id
            found = self._registry.deployments(slug)
        return tuple(_deployment_info(deployment, live) for deployment in found)

    def deployment(self, slug: str, id: str) -> DeploymentInfo:  # noqa: A002
        """See Operations."""
        with explained():
            live = self._existing(slug).live.id
            return _deployment_info(self._deployment(slug, id), live)

    def download(self, slug: str, id: str) -> DeploymentFiles:  # noqa: A002
        """See Operations."""
        with explained():
            self._existing(slug)
            found = self._deployment(slug, id)
            document = self._registry.document(found.id)
        text = document.decode("utf-8", "replace") if document is not None else None
        return DeploymentFiles(found.id, slug, found.project.text, text)

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """See Operations."""
        with explained(), self._database.write():
            function = self._registry.function(slug)
            left = None if function is None else self._with_document(function.live)
            made = self._with_document(self._registry.rollback(slug, id, self._database.clock()))
        before, after = left and _seen(*left), _seen(*made)
        live = made[0]
        return RolledBack(
            id=live.id,
            function=slug,
            url=self._place.url(slug),
            mcp_url=self._place.mcp_url(live.project),
            tool_changes=compare(before or NOTHING, after or NOTHING),
            tools_digest=None if after is None else digest(after),
        )

    def _with_document(self, deployment: Deployment) -> tuple[Deployment, bytes | None]:
        return deployment, self._registry.document(deployment.id)

    def _deployment(self, slug: str, deployment_id: str) -> Deployment:
        found = self._registry.deployment(slug, deployment_id)
        if found is None:
            raise UnknownDeployment(slug, deployment_id)
        return found

    def _summary(self, function: Function) -> FunctionSummary:
        project = function.live.project
        return FunctionSummary(
            slug=function.slug,
            description=project.description,
            url=self._place.url(function.slug),
            deployment=function.live.id,
            public=project.config.public,
            created=function.created,
            deployed=function.live.created,
        )

    def _function_info(self, function: Function) -> FunctionInfo:
        live, project = function.live, function.live.project
        document = self._registry.document(live.id)
        catalog = catalogs.catalog(project, document)
        tools = seen(project, catalog)
        return FunctionInfo(
            slug=function.slug,
            description=project.description,
            url=self._place.url(function.slug),
            mcp_url=self._place.mcp_url(project),
            hosts=project.hosts,
            upstream=tuple(upstream.url for upstream in project.upstreams),
            public=project.config.public,
            deployment=live.id,
            created=function.created,
            deployed=live.created,
            tokens=len(self._tokens.list(function.slug)),
            tools=listed(project, catalog),
            tools_digest=None if tools is None else digest(tools),
            warnings=tool_warnings(project, document, catalog),
        )


def _seen(deployment: Deployment, document: bytes | None) -> Seen | None:
    """A deployment's tools as agents see them."""
    project = deployment.project
    return seen(project, catalogs.catalog(project, document))


def _user() -> str:
    """The name of the user, or the number of one without an entry, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _deployment_info(deployment: Deployment, live: str) -> DeploymentInfo:
    return DeploymentInfo(
        id=deployment.id,
        function=deployment.slug,
        created=deployment.created,
        origin=deployment.origin,
        live=deployment.id == live,
        digest=deployment.digest,
        upstream=tuple(upstream.url for upstream in deployment.project.upstreams),
        document_bytes=deployment.document_bytes,
    )
