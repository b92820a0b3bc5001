"""Deploying code: made, tried, and asked what it declares, before anything is written.

Also what is told of functions that the edge runs. Blocking. Not here: what a deployment is
(`deploying.py`), and the processes (`edge/running/`).
"""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.admin import documents
from edge.admin.code_operations import CodeInfo, Downloaded, ExitInfo, ProcessInfo, RunInfo
from edge.admin.errors import AdminError
from edge.admin.operations import DeployRequest
from edge.code.archive import add
from edge.code.collect import PROJECT_FILE
from edge.code.command import Owner
from edge.code.limits import CodeError
from edge.code.making import Means, make
from edge.code.recipe import Recipe
from edge.code.store import CodeStore
from edge.config import Config
from edge.functions import Deployment, Project, Run, Upstream
from edge.project_file.declared import declared_in
from edge.project_file.parse import render_project, with_declared
from edge.project_file.upstream import parse_upstream
from edge.registry.store import deployment_id
from edge.running.launch import environment_of
from edge.running.protocol import FunctionStatus, LastExit
from edge.running.runs import RunFailed, Runs, Trial
from edge.running.users import NoSuchUser, can_reach, python_needs, user_of
from edge.secrets.store import Secrets

DECLARING = "/openapi.json"
"""Where an SDK says what its function declares."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What may become a deployment: its code is in place, and one process of it is up.

    Attributes:
        project: the project file with what its code declares.
        code: the digest of the code.
        deployment: the id that the process has been told.
    """

    project: Project
    document: bytes | None
    warnings: tuple[str, ...]
    code: str
    deployment: str
    trial: Trial


class Running:
    """What operations do with the code and the processes of functions of one store.

    Args:
        url_of: the published address of a function by its slug.
    """

    def __init__(
        self,
        config: Config,
        store: CodeStore,
        runs: Runs,
        secrets: Secrets,
        url_of: Callable[[str], str],
    ) -> None:
        self._config = config
        self._store = store
        self._runs = runs
        self._secrets = secrets
        self._url_of = url_of

    def put(self, archive: Path) -> CodeInfo:
        """See `CodeOperations.put_code`."""
        try:
            stored = self._store.put(archive)
        except CodeError as error:
            raise AdminError("INPUT_ERROR", str(error)) from None
        except OSError as error:
            raise _unusable(error) from None
        return CodeInfo(stored.digest, len(stored.files), stored.size)

    @contextmanager
    def tried(self, project: Project, request: DeployRequest) -> Iterator[Tried]:
        """Make the code and start it; what is not adopted has ended when the context does.

        Raises:
            AdminError: INPUT_ERROR if the code was not sent; VALIDATION_ERROR, with the reason, if
                it cannot be made, does not start, or declares what cannot be.
        """
        id_ = deployment_id(os.urandom)
        with self._store_held():
            code = self._made(project, request.code)
            with self._trial(project, code, id_) as trial:
                upstream = parse_upstream(trial.address)
                document, warnings = _document(project, request, upstream)
                declared = _declared(project, document, upstream)
                whole = self._whole(project, declared)
                yield Tried(whole, document, warnings, code, id_, trial)

    @contextmanager
    def again(self, deployment: Deployment) -> Iterator[Trial]:
        """Start a process of a deployment that is to be live again."""
        if not self._store.code(deployment.code).is_whole:
            message = f"The code of {deployment.id} is not here any more; deploy it again"
            raise AdminError("VALIDATION_ERROR", message)
        with self._trial(deployment.project, deployment.code, deployment.id) as trial:
            yield trial

    def adopt(self, trial: Trial, deployment: str) -> tuple[str, ...]:
        """Let a live deployment have the process that was tried for it; what went wrong."""
        try:
            trial.adopt(deployment)
        except RunFailed as failed:
            return (f"{deployment} is live, but its first process is gone: {failed.reason}",)
        return ()

    def ended(self, slug: str) -> None:
        """Wait until nothing runs of a deleted function; a runner that is gone took all with it."""
        with suppress(RunFailed):
            self._runs.ended(slug)

    def prune(self, named: Callable[[], Collection[str]]) -> None:
        """Remove code that no deployment names."""
        self._store.prune(named)

    def download(self, deployment: Deployment, to: Path) -> Downloaded:
        """See `CodeOperations.download_code`."""
        code = self._store.code(deployment.code)
        if not deployment.code or not code.source.is_file():
            message = f"There is no code of {deployment.id} here"
            raise AdminError("NOT_FOUND", f"{message}; the edge keeps that of what it runs")
        text = render_project(deployment.project)
        try:
            add(code.source, PROJECT_FILE, text.encode(), to)
            return Downloaded(deployment.id, deployment.slug, to.stat().st_size)
        except OSError as error:
            raise _unusable(error) from None

    def told(self, live: Deployment) -> RunInfo | None:
        """How the edge runs a deployment; None if it does not."""
        run = live.project.run
        if run is None:
            return None
        try:
            status = self._runs.status(live.slug)
        except RunFailed:
            return RunInfo(_command(run), "unknown")
        return RunInfo(_command(run), "stopped") if status is None else _told(run, status)

    @contextmanager
    def _store_held(self) -> Iterator[None]:
        try:
            with self._store.held():
                yield
        except OSError as error:
            raise _unusable(error) from None

    def _made(self, project: Project, sent: str | None) -> str:
        if sent is None or project.run is None:
            raise AdminError("INPUT_ERROR", f"The code of {project.slug} was not sent")
        recipe = Recipe.of(project.slug, sent, project.run)
        try:
            return make(self._store, recipe, self._means(project.slug, project.run))
        except CodeError as error:
            message = f"{project.slug} cannot be deployed: {error}"
            raise AdminError("VALIDATION_ERROR", message) from None

    def _means(self, slug: str, run: Run) -> Means:
        """With what a function's code is made: as its processes run, but without an address."""
        secrets = self._secrets.of(slug)
        environment = environment_of(slug, self._url_of(slug), secrets, os.environ)
        return Means(environment, os.environ, self._owner(slug, run), self._config.build_timeout)

    def _owner(self, slug: str, run: Run) -> Owner | None:
        """Who the function runs as, if that is not the edge's own user."""
        needed = python_needs() if run.entrypoint else ()
        try:
            user = user_of(self._config.function_user, slug, needed)
        except NoSuchUser as error:
            raise AdminError("API_ERROR", str(error)) from None
        if user is None or not can_reach(self._store.root / slug, user):
            return None
        return Owner(user.uid, user.gid)

    @contextmanager
    def _trial(self, project: Project, code: str, id_: str) -> Iterator[Trial]:
        try:
            with self._runs.trial(project.slug, project.text, code, deployment=id_) as trial:
                yield trial
        except RunFailed as failed:
            message = f"{project.slug} does not start: {failed.reason}"
            raise AdminError("VALIDATION_ERROR", message) from None

    def _whole(self, project: Project, declared: dict[str, Any]) -> Project:
        """The project with what its code declares, all checked."""
        rules = {"max_timeout": self._config.max_timeout, "domain": self._config.domain}
        found = with_declared(project, declared, rules)
        if found.project is not None:
            return found.project
        problems = "\n".join(f"  {p.key}: {p.message}" for p in found.problems)
        message = f"What the code of {project.slug} declares cannot be deployed:\n{problems}"
        raise AdminError("VALIDATION_ERROR", message)


def _document(
    project: Project, request: DeployRequest, upstream: Upstream
) -> tuple[bytes | None, tuple[str, ...]]:
    """The document of a process that is up; what it has is its own, so no other stands in."""
    source = project.document
    try:
        if source.kind != "file":
            return documents.fetch(replace(project, upstreams=(upstream,))), ()
        if request.document is None:
            raise AdminError("INPUT_ERROR", f"The document {source.location} was not sent")
        return documents.check(request.document.encode(), source.location), ()
    except documents.NoDocument as error:
        if error.outcome == "absent" and not source.declared:
            return None, ()
        said = str(error).replace(upstream.url, project.slug).removesuffix(".")
        return None, (f"No OpenAPI document: {said}.",)


def _declared(project: Project, document: bytes | None, upstream: Upstream) -> dict[str, Any]:
    """What the code says of itself, also where its tools come from another document."""
    source = project.document
    if source.kind != "path" or source.location != DECLARING:
        try:
            document = documents.fetch_path(upstream, DECLARING, ())
        except documents.NoDocument:
            return {}
    return {} if document is None else declared_in(document)


def _command(run: Run) -> tuple[str, ...]:
    return run.command or ("python", run.entrypoint)


def _told(run: Run, status: FunctionStatus) -> RunInfo:
    return RunInfo(
        command=_command(run),
        state=status.state,
        restarts=status.restarts,
        waiting=status.waiting,
        active=status.active,
        retry_in=status.retry_in,
        processes=tuple(
            ProcessInfo(
                instance=process.instance,
                deployment=process.deployment,
                state=process.state,
                pid=process.pid,
                started=process.started,
                memory=process.memory,
                processes=process.processes,
            )
            for process in status.processes
        ),
        last_exit=_exit(status.last_exit),
    )


def _exit(last: LastExit | None) -> ExitInfo | None:
    return None if last is None else ExitInfo(last.at, last.reason, last.output)


def _unusable(error: OSError) -> AdminError:
    message = f"The code cannot be kept: {error.strerror or error}"
    return AdminError("API_ERROR", message, status=500)
