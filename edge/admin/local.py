"""The operations on a store of this machine: functions, deployments and tokens, directly.

The running edge serves these over its socket; without one the command line uses them itself.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from edge.admin.audit_operations import AuditRecord, AuditVerdict
from edge.admin.code_operations import CodeInfo, Downloaded
from edge.admin.cron_operations import OVERLAP, CronRunInfo, ScheduleInfo, SigningSecret
from edge.admin.deploying import Deployer, Place, seen_live, tool_warnings
from edge.admin.local_audit import LocalAudit
from edge.admin.local_cron import FireNow, LocalCron
from edge.admin.local_logs import LocalLogs
from edge.admin.local_secrets import LocalSecrets
from edge.admin.local_status import LocalStatus, Looks
from edge.admin.local_tokens import LocalTokens
from edge.admin.log_operations import LogPage
from edge.admin.observed_operations import Observed
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
from edge.admin.refreshing import Refreshed, Refresher
from edge.admin.running import Running
from edge.admin.secret_operations import SecretInfo, SecretsChanged
from edge.admin.secret_references import References
from edge.admin.status_operations import EdgeStatus
from edge.admin.tool_lists import listed, seen
from edge.admin.translation import explained
from edge.audit.actor import local_user
from edge.audit.store import AuditTrail
from edge.cron.signing_secrets import SigningSecrets
from edge.cron.store import CronStore
from edge.functions import Deployment, Function
from edge.observe.log import log_refreshed
from edge.project_file import catalogs
from edge.project_file.parse import as_written
from edge.registry.store import Registry, UnknownDeployment
from edge.running.client import Runner
from edge.running.protocol import SOCKETS
from edge.running.runs import RunFailed
from edge.secrets.store import SqliteSecrets
from mcp_bridge.tool_changes import NOTHING, compare, digest
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
        trail: AuditTrail,
        secrets: SqliteSecrets,
        cron: CronStore,
        signing: SigningSecrets,
        fire_now: FireNow | None,
        looks: Looks,
        running: Running,
        place: Place,
        version: str,
    ) -> None:
        super().__init__(database, registry, tokens, access, trail)
        self._place = place
        self._version = version
        self._cron = LocalCron(database, registry, cron, signing, fire_now, trail)
        self._references = References(secrets)
        self._logs = LocalLogs(place.config.data_dir, database.clock)
        self._secrets = LocalSecrets(database, registry, secrets, self._restarted, trail)
        self._running = running
        self._status = LocalStatus(database, registry, running, place, version, looks)
        self._deployer = Deployer(
            database, registry, tokens, place, self._references, running, trail
        )
        self._refresher = Refresher(database, registry, self._references, trail)
        self._audit = LocalAudit(database, trail)

    def info(self) -> EdgeInfo:
        """See Operations."""
        with explained():
            count = self._registry.count()
        config, place = self._place.config, self._place
        limits = config.code_files, config.code_size
        return EdgeInfo(place.base, self._version, place.running, count, *limits)

    def whoami(self) -> Identity:
        """See Operations."""
        return Identity("local", local_user(), self._place.base)

    def status(self) -> EdgeStatus:
        """See Operations."""
        with explained():
            return self._status.status()

    def observed(self) -> Observed:
        """See Operations."""
        return self._status.observed()

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
            found = self._refresher.refresh(clock)
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
            is_run = self._existing(slug).live.project.run is not None
            count = len(self._tokens.list(slug))
            self._tokens.revoke_all(slug)
            self._cron.forget(slug)
            self._secrets.delete_all(slug)
            self._registry.delete(slug)
            self._trail.note("function.deleted", function=slug, tokens=count)
        if is_run:
            self._running.ended(slug)
        self._logs.forget(slug)
        with explained():
            self._running.prune(self._registry.codes)
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
        project = as_written(found.project)
        return DeploymentFiles(found.id, slug, project, text, found.code or None)

    def put_code(self, archive: Path) -> CodeInfo:
        """See Operations."""
        return self._running.put(archive)

    def download_code(self, slug: str, id: str, to: Path) -> Downloaded:  # noqa: A002
        """See Operations."""
        with explained():
            self._existing(slug)
            found = self._deployment(slug, id)
        return self._running.download(found, to)

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """See Operations."""
        with explained(), ExitStack() as trials:
            left, wanted = self._existing(slug).live, self._rolled_back_to(slug, id)
            trial = None
            if wanted.project.run is not None and wanted.id != left.id:
                trial = trials.enter_context(self._running.again(wanted))
            with self._database.write():
                made = self._registry.rollback(slug, wanted.id, self._database.clock())
                self._references.check(made.project)
                if made.id != left.id:
                    self._trail.note(
                        "deployment.rolled_back", function=slug, subject=made.id, before=left.id
                    )
            warnings = self._running.adopt(trial, made.id) if trial is not None else ()
            before, after = seen_live(self._registry, left), seen_live(self._registry, made)
        return RolledBack(
            id=made.id,
            function=slug,
            url=self._place.url(slug),
            mcp_url=self._place.mcp_url(made.project),
            tool_changes=compare(before or NOTHING, after or NOTHING),
            tools_digest=None if after is None else digest(after),
            code=made.code or None,
            warnings=warnings,
        )

    def logs(
        self,
        function: str,
        after: str | None = None,
        limit: int | None = None,
        wait: int | None = None,
        within: int | None = None,
        request: str | None = None,
    ) -> LogPage:
        """See Operations."""
        with explained():
            found = self._existing(function)
        wanted = self._logs.wanted(within, request)
        return self._logs.logs(found, after, limit, wait, wanted)

    def set_secrets(self, function: str, values: dict[str, Any]) -> SecretsChanged:
        """See Operations."""
        return self._secrets.set(function, values)

    def secrets(self, function: str) -> tuple[SecretInfo, ...]:
        """See Operations."""
        return self._secrets.list(function)

    def delete_secret(self, function: str, name: str) -> SecretsChanged:
        """See Operations."""
        return self._secrets.delete(function, name)

    def audit(
        self,
        function: str | None = None,
        within: int | None = None,
        limit: int | None = None,
        before: int | None = None,
    ) -> tuple[AuditRecord, ...]:
        """See Operations."""
        return self._audit.audit(function, within, limit, before)

    def verify_audit(self) -> AuditVerdict:
        """See Operations."""
        return self._audit.verify_audit()

    def _restarted(self, function: Function) -> str | None:
        """New processes with the secrets of now, where an edge runs the function."""
        if function.live.project.run is None or not self._place.running:
            return None
        try:
            config = self._place.config
            Runner(config.data_dir / SOCKETS[config.turn]).restart(function.slug)
        except RunFailed as failed:
            return f"{function.slug} still runs with the former secrets: {failed.reason}"
        return None

    def schedules(self, slug: str) -> tuple[ScheduleInfo, ...]:
        """See Operations."""
        return self._cron.schedules(slug)

    def cron_runs(
        self, slug: str, state: str | None = None, limit: int | None = None
    ) -> tuple[CronRunInfo, ...]:
        """See Operations."""
        return self._cron.runs(slug, state, limit)

    def cron_run(self, slug: str, id: str) -> CronRunInfo:  # noqa: A002
        """See Operations."""
        return self._cron.run(slug, id)

    def fire(self, slug: str, name: str | None = None) -> CronRunInfo:
        """See Operations."""
        return self._cron.fire(slug, name)

    def signing_secret(self, slug: str) -> SigningSecret:
        """See Operations."""
        return self._cron.signing_secret(slug)

    def rotate_signing_secret(self, slug: str, overlap: float = OVERLAP) -> SigningSecret:
        """See Operations."""
        return self._cron.rotate(slug, overlap)

    def _rolled_back_to(self, slug: str, id_: str | None) -> Deployment:
        if id_ is not None:
            self._existing(slug)
            return self._deployment(slug, id_)
        found = self._registry.predecessor(self._existing(slug).slug)
        if found is None:
            raise UnknownDeployment(slug, None)
        return found

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
            run=self._running.told(live),
            code=live.code or None,
        )


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
        code=deployment.code or None,
    )
