"""The operations of an edge elsewhere: over its Unix socket, or over HTTPS with an access token.

Standard library only, so that a command starts fast. A token goes to the one URL that it was
given for: redirects are not followed, and plain HTTP is for loopback alone.
"""

import http.client
import ssl
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from edge.admin import socket as admin_socket
from edge.admin.audit_operations import AuditRecord, AuditVerdict
from edge.admin.calling import Calls
from edge.admin.code_operations import CodeInfo, Downloaded
from edge.admin.cron_operations import OVERLAP, CronRunInfo, ScheduleInfo, SigningSecret
from edge.admin.errors import AdminError
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
from edge.admin.secret_operations import SecretInfo, SecretsChanged
from edge.admin.status_operations import EdgeStatus
from edge.admin.token_operations import (
    AccessInfo,
    NewAccess,
    NewToken,
    Revoked,
    TokenInfo,
    TokenVerdict,
)

TIMEOUT = 60.0
"""Seconds; a deploy may wait for a document (10 s) and for the store (5 s)."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class UnixTransport:
    """The socket in a data directory; who may open it needs no token."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def connection(self) -> http.client.HTTPConnection:
        """As in the Protocol; AdminError if the edge is another user's."""
        connection = http.client.HTTPConnection("localhost")
        try:
            connection.sock = admin_socket.connect(self._path, TIMEOUT)
        except admin_socket.NotOurs as error:
            raise AdminError("FORBIDDEN", str(error)) from None
        return connection

    def headers(self) -> dict[str, str]:
        """Nothing: the kernel says who is calling."""
        return {}


class HttpTransport:
    """The admin address of an edge, with an access token that goes nowhere else."""

    def __init__(self, url: str, token: str, certificate: str | None = None) -> None:
        """Connect to nothing yet.

        Args:
            certificate: a PEM file with a certificate and its key, shown to an edge that asks.

        Raises:
            AdminError: INPUT_ERROR for a URL that is none or would carry the token in the clear.
        """
        self.name = url
        self._certificate = certificate or None
        self._token = token
        self._parts = urlsplit(check_url(url))

    def connection(self) -> http.client.HTTPConnection:
        """As in the Protocol."""
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        context = ssl.create_default_context()
        if self._certificate is not None:
            _show(context, self._certificate)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)

    def headers(self) -> dict[str, str]:
        """The access token."""
        return {"Authorization": f"Bearer {self._token}"}


def _show(context: ssl.SSLContext, certificate: str) -> None:
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        why = error.strerror or "it does not hold a certificate and its key in PEM"
        text = f"The client certificate {certificate} cannot be used: {why}"
        raise AdminError("INPUT_ERROR", text) from None


def check_url(url: str) -> str:
    """The URL of an edge in one spelling: scheme and authority in lower case, nothing else.

    Raises:
        AdminError: INPUT_ERROR, saying what to write.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise AdminError("INPUT_ERROR", f"{url!r} is no URL; write https://HOST[:PORT]") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AdminError("INPUT_ERROR", f"{url!r} is no edge's URL; write https://HOST[:PORT]")
    if parts.username or parts.password or parts.query or parts.path not in ("", "/"):
        raise AdminError("INPUT_ERROR", f"An edge's URL is scheme, host and port alone, not {url}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise AdminError(
            "INPUT_ERROR", f"{url} would send the token in the clear; use https:// (or loopback)"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


class RemoteOperations(Calls):
    """`Operations` over a transport; the docstrings are the Protocol's."""

    def info(self) -> EdgeInfo:
        """See Operations."""
        return cast(EdgeInfo, self.call("info"))

    def whoami(self) -> Identity:
        """See Operations."""
        return cast(Identity, self.call("whoami"))

    def status(self) -> EdgeStatus:
        """See Operations."""
        return cast(EdgeStatus, self.call("status"))

    def observed(self) -> Observed:
        """See Operations."""
        return cast(Observed, self.call("observed"))

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See Operations."""
        return cast(DeployResult, self.call("deploy", request=request))

    def put_code(self, archive: Path) -> CodeInfo:
        """See Operations."""
        with archive.open("rb") as file:
            return cast(CodeInfo, self.call("put_code", archive=file))

    def download_code(self, slug: str, id: str, to: Path) -> Downloaded:  # noqa: A002
        """See Operations."""
        with to.open("wb") as file:
            self.call("download_code", slug=slug, id=id, to=file)
        return Downloaded(id, slug, to.stat().st_size)

    def functions(self) -> tuple[FunctionSummary, ...]:
        """See Operations."""
        return cast(tuple[FunctionSummary, ...], self.call("functions"))

    def function(self, slug: str) -> FunctionInfo:
        """See Operations."""
        return cast(FunctionInfo, self.call("function", slug=slug))

    def delete_function(self, slug: str) -> Deleted:
        """See Operations."""
        return cast(Deleted, self.call("delete_function", slug=slug))

    def deployments(self, slug: str) -> tuple[DeploymentInfo, ...]:
        """See Operations."""
        return cast(tuple[DeploymentInfo, ...], self.call("deployments", slug=slug))

    def deployment(self, slug: str, id: str) -> DeploymentInfo:  # noqa: A002
        """See Operations."""
        return cast(DeploymentInfo, self.call("deployment", slug=slug, id=id))

    def download(self, slug: str, id: str) -> DeploymentFiles:  # noqa: A002
        """See Operations."""
        return cast(DeploymentFiles, self.call("download", slug=slug, id=id))

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """See Operations."""
        return cast(RolledBack, self.call("rollback", slug=slug, id=id))

    def schedules(self, slug: str) -> tuple[ScheduleInfo, ...]:
        """See Operations."""
        return cast(tuple[ScheduleInfo, ...], self.call("schedules", slug=slug))

    def cron_runs(
        self, slug: str, state: str | None = None, limit: int | None = None
    ) -> tuple[CronRunInfo, ...]:
        """See Operations."""
        found = self.call("cron_runs", slug=slug, state=state, limit=limit)
        return cast(tuple[CronRunInfo, ...], found)

    def cron_run(self, slug: str, id: str) -> CronRunInfo:  # noqa: A002
        """See Operations."""
        return cast(CronRunInfo, self.call("cron_run", slug=slug, id=id))

    def fire(self, slug: str, name: str | None = None) -> CronRunInfo:
        """See Operations."""
        return cast(CronRunInfo, self.call("fire", slug=slug, name=name))

    def signing_secret(self, slug: str) -> SigningSecret:
        """See Operations."""
        return cast(SigningSecret, self.call("signing_secret", slug=slug))

    def rotate_signing_secret(self, slug: str, overlap: float = OVERLAP) -> SigningSecret:
        """See Operations."""
        made = self.call("rotate_signing_secret", slug=slug, overlap=overlap)
        return cast(SigningSecret, made)

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
        made = self.call(
            "create_token",
            function=function,
            name=name,
            expires_in=expires_in,
            scopes=scopes,
            rate=rate,
        )
        return cast(NewToken, made)

    def tokens(
        self, function: str | None = None, after: str | None = None
    ) -> tuple[TokenInfo, ...]:
        """See Operations."""
        return cast(tuple[TokenInfo, ...], self.call("tokens", function=function, after=after))

    def revoke_token(self, function: str, token: str) -> Revoked:
        """See Operations."""
        return cast(Revoked, self.call("revoke_token", function=function, token=token))

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """See Operations."""
        made = self.call("rotate_token", function=function, token=token, overlap=overlap)
        return cast(NewToken, made)

    def check_token(self, secret: str) -> TokenVerdict:
        """See Operations."""
        return cast(TokenVerdict, self.call("check_token", secret=secret))

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
        asked = {"after": after, "limit": limit, "wait": wait, "within": within}
        return cast(LogPage, self.call("logs", function=function, request=request, **asked))

    def set_secrets(self, function: str, values: dict[str, Any]) -> SecretsChanged:
        """See Operations."""
        return cast(SecretsChanged, self.call("set_secrets", function=function, values=values))

    def secrets(self, function: str) -> tuple[SecretInfo, ...]:
        """See Operations."""
        return cast(tuple[SecretInfo, ...], self.call("secrets", function=function))

    def delete_secret(self, function: str, name: str) -> SecretsChanged:
        """See Operations."""
        return cast(SecretsChanged, self.call("delete_secret", function=function, name=name))

    def create_access(
        self, name: str, *, scopes: tuple[str, ...] = (), expires_in: float | None = None
    ) -> NewAccess:
        """See Operations."""
        made = self.call("create_access", name=name, scopes=scopes, expires_in=expires_in)
        return cast(NewAccess, made)

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """See Operations."""
        return cast(tuple[AccessInfo, ...], self.call("access_tokens"))

    def revoke_access(self, token: str) -> Revoked:
        """See Operations."""
        return cast(Revoked, self.call("revoke_access", token=token))

    def audit(
        self,
        function: str | None = None,
        within: int | None = None,
        limit: int | None = None,
        before: int | None = None,
    ) -> tuple[AuditRecord, ...]:
        """See Operations."""
        found = self.call("audit", function=function, within=within, limit=limit, before=before)
        return cast(tuple[AuditRecord, ...], found)

    def verify_audit(self) -> AuditVerdict:
        """See Operations."""
        return cast(AuditVerdict, self.call("verify_audit"))
