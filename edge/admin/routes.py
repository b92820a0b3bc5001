"""The management API's map: method, path and arguments of each operation, for both sides. Pure.

An argument stands in the path if the template names it, else in the query of a `GET` or in the
JSON body of the rest; its type is read from the Protocol, so nothing is declared twice.
"""

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from edge.admin.codec import camel
from edge.admin.operations import Operations


@dataclass(frozen=True)
class Endpoint:
    """One operation's address.

    Attributes:
        operation: the method of `Operations`.
        path: below the API's root; `{name}` is one segment.
        whole_body: whether the body is the one argument, rather than an object of them.
        takes: the argument that is a file, whose content is the request's body; empty mostly.
        gives: the argument that is a file, whose content is the answer's body; empty mostly.
        is_slow: whether it may wait for programs of a function: an install, a build, a start.
    """

    operation: str
    method: str
    path: str
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

ENDPOINTS = (
    Endpoint("info", "GET", "/edge"),
    Endpoint("whoami", "GET", "/whoami"),
    Endpoint("put_code", "PUT", "/code", takes="archive", is_slow=True),
    Endpoint("deploy", "POST", "/deployments", whole_body=True, is_slow=True),
    Endpoint("functions", "GET", "/functions"),
    Endpoint("function", "GET", "/functions/{slug}"),
    Endpoint("delete_function", "DELETE", "/functions/{slug}"),
    Endpoint("deployments", "GET", "/functions/{slug}/deployments"),
    Endpoint("deployment", "GET", "/functions/{slug}/deployments/{id}"),
    Endpoint("download", "GET", "/functions/{slug}/deployments/{id}/files"),
    Endpoint("download_code", "GET", "/functions/{slug}/deployments/{id}/code", gives="to"),
    Endpoint("rollback", "POST", "/functions/{slug}/rollback", is_slow=True),
    Endpoint("schedules", "GET", "/functions/{slug}/cron"),
    Endpoint("fire", "POST", "/functions/{slug}/cron/runs"),
    Endpoint("cron_runs", "GET", "/functions/{slug}/cron/runs"),
    Endpoint("cron_run", "GET", "/functions/{slug}/cron/runs/{id}"),
    Endpoint("signing_secret", "GET", "/functions/{slug}/signing-secret"),
    Endpoint("rotate_signing_secret", "POST", "/functions/{slug}/signing-secret/rotate"),
    Endpoint("create_token", "POST", "/functions/{function}/tokens"),
    Endpoint("tokens", "GET", "/tokens"),
    Endpoint("revoke_token", "DELETE", "/functions/{function}/tokens/{token}"),
    Endpoint("rotate_token", "POST", "/functions/{function}/tokens/{token}/rotate"),
    Endpoint("check_token", "POST", "/tokens/check"),
    Endpoint("logs", "GET", "/functions/{function}/logs"),
    Endpoint("set_secrets", "POST", "/functions/{function}/secrets", is_slow=True),
    Endpoint("secrets", "GET", "/functions/{function}/secrets"),
    Endpoint("delete_secret", "DELETE", "/functions/{function}/secrets/{name}", is_slow=True),
    Endpoint("create_access", "POST", "/access"),
    Endpoint("access_tokens", "GET", "/access"),
    Endpoint("revoke_access", "DELETE", "/access/{token}"),
)

BY_OPERATION = {endpoint.operation: endpoint for endpoint in ENDPOINTS}
