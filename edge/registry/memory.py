"""A registry in memory: for tests, and as the plainest reading of the contract."""

from collections.abc import Callable, Mapping
from threading import RLock

from edge.functions import Deployment, DeploymentOrigin, Function, Project, Route, run_as
from edge.registry.store import (
    DOCUMENTS_KEPT,
    NONE_KNOWN,
    Deployed,
    HostTaken,
    Random,
    UnknownDeployment,
    UnknownFunction,
    deployment_id,
    digest,
)


class MemoryRegistry:
    """See `Registry`. Safe to use from several threads."""

    def __init__(self, random: Random, changed: Callable[[str, str], None]) -> None:
        """`changed` is told kind and key of every change of what is live."""
        self._random = random
        self._changed = changed
        self._functions: dict[str, Function] = {}
        self._deployments: dict[str, list[Deployment]] = {}
        self._documents: dict[str, bytes | None] = {}
        self._before: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._lock = RLock()

    def function(self, slug: str) -> Function | None:
        """See `Registry.function`."""
        return self._functions.get(slug)

    def functions(
        self,
        known: Mapping[str, Function] = NONE_KNOWN,  # noqa: ARG002 - nothing is spared here
    ) -> list[Function]:
        """See `Registry.functions`."""
        with self._lock:
            return [self._functions[slug] for slug in sorted(self._functions)]

    def count(self) -> int:
        """See `Registry.count`."""
        return len(self._functions)

    def by_host(self, host: str) -> Function | None:
        """See `Registry.by_host`."""
        with self._lock:
            slug = self._hosts.get(host)
            return None if slug is None else self._functions[slug]

    def deploy(
        self,
        project: Project,
        document: bytes | None,
        routes: tuple[Route, ...],
        origin: DeploymentOrigin,
        now: float,
        code: str = "",
        id_: str = "",
    ) -> Deployed:
        """See `Registry.deploy`."""
        with self._lock:
            known = self._functions.get(project.slug)
            print_ = digest(project, document, code)
            if known is not None and known.live.digest == print_:
                return Deployed(known.live, first=False, changed=False)
            id_ = self._fresh_id(id_)
            size = None if document is None else len(document)
            made = Deployment(id_, run_as(project, id_), now, origin, size, routes, print_, code)
            self._documents[id_] = document
            created = now if known is None else known.created
            before = "" if known is None else known.live.id
            self._make_live(Function(project.slug, created, made, since=now))
            self._before[id_] = before
            history = self._deployments.setdefault(project.slug, [])
            history.append(made)
            self._prune(history, made)
            return Deployed(made, first=known is None, changed=True)

    def deployments(self, slug: str) -> list[Deployment]:
        """See `Registry.deployments`."""
        with self._lock:
            return self._deployments.get(slug, [])[::-1]

    def deployment(self, slug: str, id_: str) -> Deployment | None:
        """See `Registry.deployment`."""
        return next((made for made in self.deployments(slug) if made.id == id_), None)

    def predecessor(self, slug: str) -> Deployment | None:
        """See `Registry.predecessor`."""
        with self._lock:
            function = self._functions.get(slug)
            return None if function is None else self._predecessor(function)

    def prune(self, slug: str, kept: int) -> None:
        """See `Registry.prune`."""
        with self._lock:
            function = self._functions.get(slug)
            if function is None:
                return
            needed = (function.live, self._predecessor(function))
            history = self._deployments[slug]
            deploys = [made for made in history if made.origin == "deploy" and made not in needed]
            for made in deploys[: max(0, len(deploys) - kept)]:
                history.remove(made)
                del self._documents[made.id]

    def codes(self) -> set[str]:
        """See `Registry.codes`."""
        with self._lock:
            every = [made.code for history in self._deployments.values() for made in history]
        return {code for code in every if code}

    def document(self, id_: str) -> bytes | None:
        """See `Registry.document`."""
        return self._documents.get(id_)

    def rollback(self, slug: str, id_: str | None, now: float) -> Deployment:
        """See `Registry.rollback`."""
        with self._lock:
            function = self._functions.get(slug)
            if function is None:
                raise UnknownFunction(slug)
            found = self.deployment(slug, id_) if id_ else self._predecessor(function)
            if found is None:
                raise UnknownDeployment(slug, id_)
            if found.id != function.live.id:
                self._make_live(Function(slug, function.created, found, since=now))
            return found

    def delete(self, slug: str) -> bool:
        """See `Registry.delete`."""
        with self._lock:
            if self._functions.pop(slug, None) is None:
                return False
            for made in self._deployments.pop(slug):
                del self._documents[made.id]
            self._release_hosts(slug)
            self._changed("function", slug)
            return True

    def _predecessor(self, function: Function) -> Deployment | None:
        """What the live deployment took over from; where that was pruned, the newest older one."""
        history = self._deployments[function.slug]
        before = self._before[function.live.id]
        older = history[: history.index(function.live)] if before else []
        return next((made for made in older if made.id == before), older[-1] if older else None)

    def _fresh_id(self, wanted: str) -> str:
        used = {made.id for history in self._deployments.values() for made in history}
        id_ = wanted or deployment_id(self._random)
        while id_ in used:
            id_ = deployment_id(self._random)
        return id_

    def _make_live(self, function: Function) -> None:
        hosts = function.live.project.hosts
        for host in hosts:
            owner = self._hosts.get(host, function.slug)
            if owner != function.slug:
                raise HostTaken(host, owner)
        self._release_hosts(function.slug)
        self._hosts.update(dict.fromkeys(hosts, function.slug))
        self._functions[function.slug] = function
        self._changed("function", function.slug)

    def _release_hosts(self, slug: str) -> None:
        self._hosts = {host: owner for host, owner in self._hosts.items() if owner != slug}

    def _prune(self, history: list[Deployment], live: Deployment) -> None:
        documents = [made for made in history if made.origin == "document" and made is not live]
        for made in documents[:-DOCUMENTS_KEPT]:
            history.remove(made)
            del self._documents[made.id]
