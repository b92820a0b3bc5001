"""Who calls the management API, and whether he may: strangers, access tokens, scopes.

On the Unix socket the kernel has already said who calls; elsewhere an access token must. There is
nothing here for a web page to abuse: no cookies, and what a browser sends for a page that is not
the edge's own is refused (`Host`, `Origin`, `Sec-Fetch-Site`).
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from edge.admin.errors import AdminError
from edge.admin.failed_logins import FailedLogins
from edge.admin.routes import Scope
from edge.audit.actor import local_user
from edge.audit.record import LOCAL, Actor
from tokens.model import AccessToken

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

Headers = list[tuple[bytes, bytes]]
HttpScope = dict[str, Any]
Run = Callable[..., Awaitable[Any]]


class Authenticator(Protocol):
    """Says who presents an access token."""

    def __call__(self, token: str, address: str) -> AccessToken | None:
        """The access token, or None if it is not good."""
        ...


class Callers:
    """Who is at an address: the Unix socket (no authenticator), or one that anybody can reach.

    Args:
        failed: where failures are counted; shared by all that listen in one worker.
        clock: a monotonic clock, seconds.
    """

    def __init__(
        self,
        authenticate: Authenticator | None,
        failed: FailedLogins,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authenticate = authenticate
        self._failed = failed
        self._clock = clock

    async def caller(self, scope: HttpScope, headers: Headers, run: Run) -> AccessToken | None:
        """The access token; None on the Unix socket.

        Args:
            run: runs blocking work.

        Raises:
            AdminError: there is none that is good, or there were too many that were not.
        """
        if self._authenticate is None:
            return None
        given = all_of(headers, b"authorization")
        if not given:
            self._failure(scope)
            raise AdminError(
                "MISSING_AUTH", "An access token is needed: Authorization: Bearer jfn_pat_…"
            )
        scheme, _, token = given[0].decode("latin-1").partition(" ")
        found = None
        if len(given) == 1 and scheme.lower() == "bearer":
            told = {"token": token.strip(), "address": address_of(scope)}
            found = await run(self._authenticate, told)
        if not isinstance(found, AccessToken):
            self._failure(scope)
            raise AdminError("AUTH_ERROR", "The access token is not valid on this edge")
        return found

    def _failure(self, scope: HttpScope) -> None:
        seconds = self._failed.note(address_of(scope), self._clock())
        if seconds is not None:
            raise TooManyFailures(seconds)


class TooManyFailures(AdminError):
    """An address has failed too often to authenticate.

    Attributes:
        seconds: until one more is answered 401 again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "AUTH_ERROR",
            "Too many failed authentications from this address; wait, then use a good token",
            status=429,
        )
        self.seconds = max(1, round(seconds))


def check_scope(caller: AccessToken | None, scope: Scope) -> None:
    """Refuse what the caller's access token is not for."""
    if caller is None or scope == "any":
        return
    if scope == "local":
        raise AdminError("FORBIDDEN", "Access tokens are managed on the edge's own machine")
    if not caller.may(scope):
        raise AdminError(
            "FORBIDDEN",
            f"The access token {caller.name} has not the scope {scope}; "
            f"its scopes are {', '.join(caller.scopes)}",
        )


def actor_of(scope: HttpScope, caller: AccessToken | None) -> Actor:
    """Who acts, as the audit trail has it."""
    if caller is None:
        return Actor("local", local_user(), None, LOCAL)
    return Actor("access_token", caller.name, caller.id, address_of(scope))


def address_of(scope: HttpScope) -> str:
    """The address at the other end of the connection; what a request says of it is not believed."""
    client = scope.get("client")
    return str(client[0]) if client and client[0] else "unknown"


def refuse_strangers(scope: HttpScope, headers: Headers) -> None:
    """Refuse what a browser was talked into sending (DNS rebinding, cross-site requests).

    `Sec-Fetch-Site` is the browser's own word (Fetch Metadata §2.2), which no page can set.
    """
    hosts = all_of(headers, b"host")
    host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
    if is_local(scope) and _without_port(host) not in LOOPBACK_HOSTS:
        raise AdminError("FORBIDDEN", "The Host of this request is not this edge's")
    sites = [site.strip().lower() for site in all_of(headers, b"sec-fetch-site")]
    for site in sites:
        if site not in (b"same-origin", b"none"):
            raise AdminError("FORBIDDEN", "Requests from web pages are not served here")
    for origin in all_of(headers, b"origin"):
        if origin == b"null" and sites == [b"same-origin"]:
            continue  # a form of a page with `Referrer-Policy: no-referrer` (Fetch §3.2)
        if origin.decode("latin-1").lower() != f"{scope.get('scheme', 'http')}://{host}":
            raise AdminError("FORBIDDEN", "Requests from web pages are not served here")


def all_of(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a field; names are in lower case."""
    return [value for key, value in headers if key == name]


def is_local(scope: HttpScope) -> bool:
    """Whether the edge was reached at an address of this machine alone."""
    server = scope.get("server")
    return not server or server[1] is None or server[0] in {"127.0.0.1", "::1", "localhost"}


def _without_port(host: str) -> str:
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
