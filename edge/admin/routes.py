"""The management API's map: method, path and arguments of each operation, for both sides. Pure.

An argument stands in the path if the template names it, else in the query of a `GET` or in the
JSON body of the rest; its type is read from the Protocol, so nothing is declared twice.
"""

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_type_hints

from edge.admin.codec import camel
from edge.admin.operations import Operations

Scope = Literal["any", "read", "audit", "deploy", "tokens", "secrets", "local"]


@dataclass(frozen=True)
class Endpoint:
    """One operation's address.

    Attributes:
        operation: the method of `Operations`.
        path: below the API's root; `{name}` is one segment.
        scope: what an access token needs for it: one of its scopes, `any` for every good one,
            `local` for none: who holds an access token cannot make himself another.
        whole_body: whether the body is the one argument, rather than an object of them.
        takes: the argument that is a file, whose content is the request's body; empty mostly.
        gives: the argument that is a file, whose content is the answer's body; empty mostly.
        is_slow: whether it may wait for programs of a function: an install, a build, a start.
    """

    operation: str
    method: str
    path: str
    scope: Scope
    whole_body: bool = False
    takes: str = ""
    gives: str = ""
    is_slow: bool = False

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(getattr(Operations, self.operation), include_extras=True)

    @cached_property
    def arguments(self) -> dict[str, tuple[str, Any, bool]]:
        """JSON key to (argument, type, required), in order."""
        parameters = inspect.signature(getattr(Operations, self.operation)).parameters
        return {
            camel(name): (name, self._hints[name], parameter.default is inspect.Parameter.empty)
            for name, parameter in parameters.items()
            if name != "self"
        }

    @property
    def result(self) -> Any:
        """The type of the answer."""
        return self._hints["return"]

    @property
    def segments(self) -> list[str]:
        """The path's segments."""
        return self.path.strip("/").split("/")


ROOT = "/v1"

_READ: Scope = "read"
_DEPLOY: Scope = "deploy"
_TOKENS: Scope = "tokens"
_SECRETS: Scope = "secrets"

ENDPOINTS = (
    Endpoint("info", "GET", "/edge", "any"),
    Endpoint("whoami", "GET", "/whoami", "any"),
    Endpoint("status", "GET", "/edge/status", _READ),
    Endpoint("observed", "GET", "/edge/observed", _READ),
    Endpoint("put_code", "PUT", "/code", _DEPLOY, takes="archive", is_slow=True),
    Endpoint("deploy", "POST", "/deployments", _DEPLOY, whole_body=True, is_slow=True),
    Endpoint("functions", "GET", "/functions", _READ),
    Endpoint("function", "GET", "/functions/{slug}", _READ),
    Endpoint("delete_function", "DELETE", "/functions/{slug}", _DEPLOY),
    Endpoint("deployments", "GET", "/functions/{slug}/deployments", _READ),
    Endpoint("deployment", "GET", "/functions/{slug}/deployments/{id}", _READ),
    Endpoint("download", "GET", "/functions/{slug}/deployments/{id}/files", _READ),
    Endpoint("download_code", "GET", "/functions/{slug}/deployments/{id}/code", _READ, gives="to"),
    Endpoint("rollback", "POST", "/functions/{slug}/rollback", _DEPLOY, is_slow=True),
    Endpoint("schedules", "GET", "/functions/{slug}/cron", _READ),
    Endpoint("fire", "POST", "/functions/{slug}/cron/runs", _DEPLOY),
    Endpoint("cron_runs", "GET", "/functions/{slug}/cron/runs", _READ),
    Endpoint("cron_run", "GET", "/functions/{slug}/cron/runs/{id}", _READ),
    Endpoint("signing_secret", "GET", "/functions/{slug}/signing-secret", _SECRETS),
    Endpoint("rotate_signing_secret", "POST", "/functions/{slug}/signing-secret/rotate", _SECRETS),
    Endpoint("create_token", "POST", "/functions/{function}/tokens", _TOKENS),
    Endpoint("tokens", "GET", "/tokens", _READ),
    Endpoint("revoke_token", "DELETE", "/functions/{function}/tokens/{token}", _TOKENS),
    Endpoint("rotate_token", "POST", "/functions/{function}/tokens/{token}/rotate", _TOKENS),
    Endpoint("check_token", "POST", "/tokens/check", _READ),
    Endpoint("logs", "GET", "/functions/{function}/logs", _READ),
    Endpoint("set_secrets", "POST", "/functions/{function}/secrets", _SECRETS, is_slow=True),
    Endpoint("secrets", "GET", "/functions/{function}/secrets", _READ),
    Endpoint(
        "delete_secret",
        "DELETE",
        "/functions/{function}/secrets/{name}",
        _SECRETS,
        is_slow=True,
    ),
    Endpoint("create_access", "POST", "/access", "local"),
    Endpoint("access_tokens", "GET", "/access", "local"),
    Endpoint("revoke_access", "DELETE", "/access/{token}", "local"),
    Endpoint("audit", "GET", "/audit", "audit"),
    Endpoint("verify_audit", "GET", "/audit/verdict", "audit"),
)

BY_OPERATION = {endpoint.operation: endpoint for endpoint in ENDPOINTS}
