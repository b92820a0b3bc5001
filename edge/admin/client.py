"""The operations of an edge elsewhere: over its Unix socket, or over HTTPS with an access token.

Standard library only, so that a command starts fast. A token goes to the one URL that it was
given for: redirects are not followed, and plain HTTP is for loopback alone.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol, cast
from urllib.parse import quote, urlencode, urlsplit

from edge.admin import socket as admin_socket
from edge.admin.code_operations import CodeInfo, Downloaded
from edge.admin.codec import LARGEST, Mismatch, camel, decode, encode
from edge.admin.cron_operations import OVERLAP, CronRunInfo, ScheduleInfo, SigningSecret
from edge.admin.errors import STATUSES, AdminError
from edge.admin.log_operations import LogPage
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
from edge.admin.routes import BY_OPERATION, ROOT, Endpoint
from edge.admin.secret_operations import SecretInfo, SecretsChanged
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
SLOW = 4000.0
"""Seconds, for what waits for a function's programs; the edge has its own bounds on those."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


Body = bytes | IO[bytes] | None
"""Of a request: JSON, or a file's content."""


class Transport(Protocol):
    """A way to an edge's management API."""

    name: str

    def connection(self) -> http.client.HTTPConnection:
        """A fresh connection; OSError if the edge cannot be reached."""
        ...

    def headers(self) -> dict[str, str]:
        """Fields that every request carries."""
        ...


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


class RemoteOperations:
    """`Operations` over a transport; the docstrings are the Protocol's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def info(self) -> EdgeInfo:
        """See Operations."""
        return cast(EdgeInfo, self._call("info"))

    def whoami(self) -> Identity:
        """See Operations."""
        return cast(Identity, self._call("whoami"))

    def deploy(self, request: DeployRequest) -> DeployResult:
        """See Operations."""
        return cast(DeployResult, self._call("deploy", request=request))

    def put_code(self, archive: Path) -> CodeInfo:
        """See Operations."""
        with archive.open("rb") as file:
            return cast(CodeInfo, self._call("put_code", archive=file))

    def download_code(self, slug: str, id: str, to: Path) -> Downloaded:  # noqa: A002
        """See Operations."""
        with to.open("wb") as file:
            self._call("download_code", slug=slug, id=id, to=file)
        return Downloaded(id, slug, to.stat().st_size)

    def functions(self) -> tuple[FunctionSummary, ...]:
        """See Operations."""
        return cast(tuple[FunctionSummary, ...], self._call("functions"))

    def function(self, slug: str) -> FunctionInfo:
        """See Operations."""
        return cast(FunctionInfo, self._call("function", slug=slug))

    def delete_function(self, slug: str) -> Deleted:
        """See Operations."""
        return cast(Deleted, self._call("delete_function", slug=slug))

    def deployments(self, slug: str) -> tuple[DeploymentInfo, ...]:
        """See Operations."""
        return cast(tuple[DeploymentInfo, ...], self._call("deployments", slug=slug))

    def deployment(self, slug: str, id: str) -> DeploymentInfo:  # noqa: A002
        """See Operations."""
        return cast(DeploymentInfo, self._call("deployment", slug=slug, id=id))

    def download(self, slug: str, id: str) -> DeploymentFiles:  # noqa: A002
        """See Operations."""
        return cast(DeploymentFiles, self._call("download", slug=slug, id=id))

    def rollback(self, slug: str, id: str | None = None) -> RolledBack:  # noqa: A002
        """See Operations."""
        return cast(RolledBack, self._call("rollback", slug=slug, id=id))

    def schedules(self, slug: str) -> tuple[ScheduleInfo, ...]:
        """See Operations."""
        return cast(tuple[ScheduleInfo, ...], self._call("schedules", slug=slug))

    def cron_runs(
        self, slug: str, state: str | None = None, limit: int | None = None
    ) -> tuple[CronRunInfo, ...]:
        """See Operations."""
        found = self._call("cron_runs", slug=slug, state=state, limit=limit)
        return cast(tuple[CronRunInfo, ...], found)

    def cron_run(self, slug: str, id: str) -> CronRunInfo:  # noqa: A002
        """See Operations."""
        return cast(CronRunInfo, self._call("cron_run", slug=slug, id=id))

    def fire(self, slug: str, name: str | None = None) -> CronRunInfo:
        """See Operations."""
        return cast(CronRunInfo, self._call("fire", slug=slug, name=name))

    def signing_secret(self, slug: str) -> SigningSecret:
        """See Operations."""
        return cast(SigningSecret, self._call("signing_secret", slug=slug))

    def rotate_signing_secret(self, slug: str, overlap: float = OVERLAP) -> SigningSecret:
        """See Operations."""
        made = self._call("rotate_signing_secret", slug=slug, overlap=overlap)
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
        made = self._call(
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
        return cast(tuple[TokenInfo, ...], self._call("tokens", function=function, after=after))

    def revoke_token(self, function: str, token: str) -> Revoked:
        """See Operations."""
        return cast(Revoked, self._call("revoke_token", function=function, token=token))

    def rotate_token(self, function: str, token: str, overlap: float = 0) -> NewToken:
        """See Operations."""
        made = self._call("rotate_token", function=function, token=token, overlap=overlap)
        return cast(NewToken, made)

    def check_token(self, secret: str) -> TokenVerdict:
        """See Operations."""
        return cast(TokenVerdict, self._call("check_token", secret=secret))

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
        return cast(LogPage, self._call("logs", function=function, request=request, **asked))

    def set_secrets(self, function: str, values: dict[str, Any]) -> SecretsChanged:
        """See Operations."""
        return cast(SecretsChanged, self._call("set_secrets", function=function, values=values))

    def secrets(self, function: str) -> tuple[SecretInfo, ...]:
        """See Operations."""
        return cast(tuple[SecretInfo, ...], self._call("secrets", function=function))

    def delete_secret(self, function: str, name: str) -> SecretsChanged:
        """See Operations."""
        return cast(SecretsChanged, self._call("delete_secret", function=function, name=name))

    def create_access(self, name: str) -> NewAccess:
        """See Operations."""
        return cast(NewAccess, self._call("create_access", name=name))

    def access_tokens(self) -> tuple[AccessInfo, ...]:
        """See Operations."""
        return cast(tuple[AccessInfo, ...], self._call("access_tokens"))

    def revoke_access(self, token: str) -> Revoked:
        """See Operations."""
        return cast(Revoked, self._call("revoke_access", token=token))

    def _call(self, operation: str, **arguments: Any) -> Any:
        endpoint = BY_OPERATION[operation]
        out = arguments.pop(endpoint.gives) if endpoint.gives else None
        target, body = request_for(endpoint, arguments)
        status, said = self._exchange(endpoint, target, body, out)
        if out is not None and status == http.client.OK:
            return None
        return self._result(endpoint, status, said)

    def _result(self, endpoint: Endpoint, status: int, body: bytes) -> Any:
        answer = _parsed(body, status, self._transport.name)
        if answer.get("ok") is True:
            try:
                return decode(endpoint.result, answer.get("data"))
            except Mismatch as error:
                raise AdminError(
                    "API_ERROR", f"The edge's answer is not understood: {error}"
                ) from None
        raise _refused(answer.get("error"), status)

    def _exchange(
        self, endpoint: Endpoint, target: str, body: Body, out: IO[bytes] | None
    ) -> tuple[int, bytes]:
        """The status and the body of the answer; the body of a good one goes to `out`, if given."""
        headers = {"Accept": "application/json", **self._transport.headers()}
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/json"
        elif body is not None:
            headers |= {
                "Content-Type": "application/x-tar",
                "Content-Length": str(os.fstat(body.fileno()).st_size),
            }
        connection = None
        try:
            connection = self._transport.connection()
            if endpoint.is_slow:
                _be_patient(connection)
            connection.request(endpoint.method, target, body=body, headers=headers)
            response = connection.getresponse()
            if out is not None and response.status == http.client.OK:
                shutil.copyfileobj(response, out)
                return response.status, b""
            return response.status, response.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._transport.name, error) from None
        finally:
            if connection is not None:
                connection.close()


def _be_patient(connection: http.client.HTTPConnection) -> None:
    """Wait long for the answer, yet not for an edge that is gone."""
    if connection.sock is None:
        connection.connect()
    connection.sock.settimeout(SLOW)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def request_for(endpoint: Endpoint, arguments: Mapping[str, Any]) -> tuple[str, Body]:
    """The request target and body of a call."""
    arguments = dict(arguments)
    file = arguments.pop(endpoint.takes) if endpoint.takes else None
    left = {camel(name): encode(value) for name, value in arguments.items()}
    segments = [
        quote(str(left.pop(camel(s[1:-1]))), safe="") if s.startswith("{") else s
        for s in endpoint.segments
    ]
    target = f"{ROOT}/" + "/".join(segments)
    if file is not None:
        return target, file
    if endpoint.whole_body:
        (whole,) = left.values()
        return target, json.dumps(whole).encode()
    if endpoint.method == "GET":
        query = urlencode({key: value for key, value in left.items() if value is not None})
        return target + (f"?{query}" if query else ""), None
    return target, json.dumps(left).encode() if endpoint.method == "POST" else None


def _parsed(body: bytes, status: int, name: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "ok" in answer:
        return answer
    raise AdminError(
        "API_ERROR", f"{name} answers {status} and is not an edge's management API; check the URL"
    )


def _refused(error: Any, status: int) -> AdminError:
    fields = error if isinstance(error, dict) else {}
    code = fields.get("code")
    message = str(fields.get("message") or f"The edge answers {status}")
    return AdminError(code if code in STATUSES else "API_ERROR", message, status=status)


def _unreachable(name: str, error: Exception) -> AdminError:
    if isinstance(error, ssl.SSLError):
        return AdminError("NETWORK_ERROR", f"No trusted connection to {name}: {error.reason}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return AdminError("NETWORK_ERROR", f"The edge at {name} cannot be reached: {reason}")
