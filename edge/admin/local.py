"""The operations on a store of this machine: functions, deployments and tokens, directly.

The running edge serves these over its socket; without one the command line uses them itself.
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.admin import catalogs
from edge.admin.deploying import Deployer, Place, Refreshed, registry_error, tool_warnings
from edge.admin.errors import AdminError, Code
from edge.admin.operations import (
    AccessInfo,
    Deleted,
    DeploymentFiles,
    DeploymentInfo,
    DeployRequest,
    DeployResult,
    EdgeInfo,
    FunctionInfo,
    FunctionSummary,
    Identity,
    NewAccess,
    NewToken,
    Revoked,
    RolledBack,
    TokenInfo,
    TokenVerdict,
)
from edge.functions import Deployment, Function
from edge.registry.store import Registry, RegistryError, UnknownDeployment, UnknownFunction
from tokens.access import AccessService
from tokens.database import Database
from tokens.errors import TokenError
from tokens.model import EDGE_WIDE, AccessToken, Token
from tokens.secret import parse
from tokens.service import TokenService

ACCESS_NOTED_EVERY = 60.0
"""Seconds between two notes of an access token's last use."""

_CODES: dict[str, tuple[Code, int]] = {
    "invalid": ("VALIDATION_ERROR", 422),
    "not_found": ("NOT_FOUND", 404),
    "conflict": ("VALIDATION_ERROR", 409),
    "busy": ("TRANSIENT_ERROR", 503),
    "store": ("API_ERROR", 500),
}


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of tokens, registry and store into those of the operations."""
    try:
        yield
    except TokenError as error:
        code, status = _CODES[error.kind]
        raise AdminError(code, str(error), status=status) from error
    except RegistryError as error:
        raise registry_error(error) from error


class LocalOperations:
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
        self._database = database
        self._registry = registry
        self._tokens = tokens
        self._access = access
        self._place = place
        self._version = version
        self._deployer = Deployer(database, registry, tokens, place)

    def info(self) -> EdgeInfo:
        """See Operations."""
        with explained():
            count = len(self._registry.functions())
        return EdgeInfo(self._place.base, self._version, self._place.running, count)

    def whoami(self) -> Identity:
        """See Operations."""
        return Identity("local", getpass.getuser(), self._place.base)

    def authenticate(self, token: str) -> str | None:
        """The name of an access token that is good, and a note that it was used."""
        with explained():
            found = self._access.verify(token)
            if not isinstance(found, AccessToken):
                return None
            now = self._database.clock()
            if now - (found.last_used or 0.0) >= ACCESS_NOTED_EVERY:
                self._access.touch({found.id: now})
        return found.name

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See Operations."""
        with explained():
            return self._deployer.deploy(request)

    def refresh_documents(self, clock: Callable[[], float]) -> tuple[Refreshed, ...]:
        """Fetch documents that are due; a running edge calls this every few seconds.

        Blocking, up to 10 s for each function that does not answer.

        Args:
            clock: a monotonic clock, seconds.
        """
        with explained():
            return self._deployer.refresh(clock)

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
        text = found.document.decode("utf-8", "replace") if found.document is not None else None
        return DeploymentFiles(found.id, slug, found.project.text, text)

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """See Operations."""
        with explained(), self._database.write():
            made = self._registry.rollback(slug, id, self._database.clock())
        return RolledBack(made.id, slug, self._place.url(slug))

    def create_token(
        self,
        function: str,
        name: str,
        *,
        expires_in: float | None = None,
        scopes: tuple[str, ...] = (),
        rate: str | None = None,
    ) -> NewToken:
        """See Operations."""
        with explained(), self._database.write():
            if function != EDGE_WIDE:
                self._existing(function)
            expires = None if expires_in is None else self._database.clock() + expires_in
            made = self._tokens.create(function, name, expires=expires, scopes=scopes, rate=rate)
        return _new_token(made.token, made.secret)

    def tokens(self, function: str | None = None) -> tuple[TokenInfo, ...]:
        """See Operations."""
        with explained():
            if function not in (None, EDGE_WIDE):
                self._existing(str(function))
            return tuple(_token_info(token) for token in self._tokens.list(function))

    def revoke_token(self, function: str, token: str) -> Revoked:
        """See Operations."""
        with explained():
            ended = self._tokens.revoke(function, token)
        return Revoked(ended.id, ended.shown_name, function)

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """See Operations."""
        with explained():
            made = self._tokens.rotate(function, token, overlap)
        return _new_token(made.token, made.secret)

    def check_token(self, secret: str) -> TokenVerdict:
        """See Operations."""
        digest = parse(secret)
        if digest is None:
            return TokenVerdict(valid=False, reason="malformed")
        with explained():
            token = self._tokens.find(digest)
            now = self._database.clock()
        if token is None:
            return TokenVerdict(valid=False, reason="unknown")
        reason = token.refusal(now)
        return TokenVerdict(
            valid=reason is None,
            reason=reason,
            id=token.id,
            function=token.function,
            name=token.shown_name,
            expires=token.expires,
            scopes=token.scopes.texts,
        )

    def create_access(self, name: str) -> NewAccess:
        """See Operations."""
        with explained():
            made = self._access.create(name)
        token = made.token
        return NewAccess(token.id, token.name, token.last_used, token.created, made.secret)

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """See Operations."""
        with explained():
            found = self._access.list()
        return tuple(
            AccessInfo(token.id, token.name, token.last_used, token.created) for token in found
        )

    def revoke_access(self, token: str) -> Revoked:
        """See Operations."""
        with explained():
            ended = self._access.revoke(token)
        return Revoked(ended.id, ended.name)

    def _existing(self, slug: str) -> Function:
        function = self._registry.function(slug)
        if function is None:
            raise registry_error(UnknownFunction(slug))
        return function

    def _deployment(self, slug: str, deployment_id: str) -> Deployment:
        found = self._registry.deployment(slug, deployment_id)
        if found is None:
            raise registry_error(UnknownDeployment(slug, deployment_id))
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
        catalog = catalogs.catalog(project, live.document)
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
            tools=catalogs.listed(project, catalog),
            warnings=tool_warnings(project, live.document, catalog),
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
        document_bytes=None if deployment.document is None else len(deployment.document),
    )


def _token_info(token: Token) -> TokenInfo:
    return TokenInfo(
        id=token.id,
        function=token.function,
        name=token.shown_name,
        prefix=token.display,
        last_used=token.last_used,
        created=token.created,
        expires=token.expires,
        scopes=token.scopes.texts,
        rate=token.rate,
    )


def _new_token(token: Token, secret: str) -> NewToken:
    known = _token_info(token)
    values = {name: getattr(known, name) for name in TokenInfo.__dataclass_fields__}
    return NewToken(**values, token=secret)
