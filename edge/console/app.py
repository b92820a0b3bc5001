"""The console on the admin address: an ASGI app in front of the management API.

It says who is signed in, holds forms to their session, and hands each request to its page. What a
page shows and does is its own file's business; what may be done, the operations' scopes say.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

import anyio
import anyio.to_thread

from edge.admin import bodies
from edge.admin.callers import (
    Callers,
    Headers,
    HttpScope,
    TooManyFailures,
    actor_of,
    address_of,
    all_of,
    refuse_strangers,
)
from edge.admin.errors import AdminError
from edge.admin.operations import Operations
from edge.audit.actor import acting
from edge.console import forms, functions, tokens, tools, watching
from edge.console.desk import Answer, Asked, Desk, Seen, Shown
from edge.console.forms import Form
from edge.console.rendering import Views
from edge.console.responses import Response, see
from edge.console.sessions import Session, Sessions, is_own
from edge.console.trying import Tries
from edge.functions import CONSOLE
from edge.version import VERSION
from tokens.model import AccessToken

AT_ONCE = 8
"""Pages made at a time, and calls tried at a time beside them; others wait."""

SIGN_IN = f"{CONSOLE}/sign-in"

_GUESSED = frozenset({"/", "/console", "/console/", "/admin", "/admin/"})
"""Where a browser is sent on from."""

NOTICES = {
    "fired": "The run has begun.",
    "revoked": "The token is revoked: the next request with it is refused.",
    "rolled-back": "That deployment is live now.",
    "signed-out": "You are signed out.",
}
"""What a page says of what was done just before, by the word in its address."""

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[HttpScope, Receive, Send], Awaitable[None]]


class Page(NamedTuple):
    """One address.

    Attributes:
        path: below the root; `{name}` is one segment.
        answer: makes the answer; given what the path says by name. Blocks.
        slow: whether it waits for a function.
    """

    method: str
    path: str
    answer: Callable[..., Answer]
    slow: bool = False


PAGES = (
    Page("GET", "", functions.overview),
    Page("GET", "charts", functions.edge_charts),
    Page("GET", "functions/{slug}", functions.function),
    Page("GET", "functions/{slug}/charts", functions.function_charts),
    Page("GET", "functions/{slug}/tools", tools.tools),
    Page("GET", "functions/{slug}/tools/{name}", tools.tool),
    Page("POST", "functions/{slug}/tools/{name}", tools.call, slow=True),
    Page("GET", "functions/{slug}/request", tools.request),
    Page("POST", "functions/{slug}/request", tools.send, slow=True),
    Page("GET", "functions/{slug}/tokens", tokens.of_function),
    Page("GET", "functions/{slug}/deployments", functions.deployments),
    Page("POST", "functions/{slug}/rollback", functions.roll_back, slow=True),
    Page("GET", "functions/{slug}/cron", functions.cron),
    Page("POST", "functions/{slug}/cron/fire", functions.fire),
    Page("GET", "functions/{slug}/logs", functions.logs),
    Page("GET", "functions/{slug}/logs/lines", functions.log_lines),
    Page("GET", "functions/{slug}/connect", functions.connect),
    Page("GET", "tokens", tokens.every),
    Page("POST", "tokens/create", tokens.create),
    Page("POST", "tokens/rotate", tokens.rotate),
    Page("POST", "tokens/revoke", tokens.revoke),
    Page("GET", "live", watching.live),
    Page("GET", "live/rows", watching.live_rows),
    Page("GET", "audit", watching.audit),
    Page("GET", "workers", watching.workers),
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the console stands in.

    Attributes:
        known: the access token of an id, if it is good; given the address that it is used from.
        clock: Unix time, seconds.
        random: that many random bytes.
    """

    operations: Operations
    callers: Callers
    known: Callable[[str, str], AccessToken | None]
    sessions: Sessions
    seen: Seen
    tries: Tries
    clock: Callable[[], float]
    random: Callable[[int], bytes]


class _Heard(NamedTuple):
    """A request's head."""

    scope: HttpScope
    headers: Headers
    segments: tuple[str, ...]

    @property
    def method(self) -> str:
        return "GET" if self.scope["method"] == "HEAD" else str(self.scope["method"])

    @property
    def over_tls(self) -> bool:
        return bool(self.scope.get("scheme") == "https")

    @property
    def fragment(self) -> bool:
        """Whether a page asks for a piece of itself."""
        return all_of(self.headers, b"hx-request") == [b"true"]


class Console:
    """The console, and the management API behind it."""

    def __init__(self, around: Surroundings, api: App) -> None:
        self._around = around
        self._api = api
        self._views = Views()
        self._limits: dict[bool, anyio.CapacityLimiter] = {}

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer what is the console's; hand on what is the API's."""
        heard = _heard(scope)
        if heard is None:
            await self._api(scope, receive, send)
            return
        try:
            response = await self._answer(heard, receive)
        except AdminError as error:
            response = self._failure(error, heard)
        except Exception:
            broken = AdminError("UNKNOWN_ERROR", "The edge failed inside; its log says more")
            await _send(send, heard, self._failure(broken, heard))
            raise  # for the server to log: the browser has its answer
        await _send(send, heard, response)

    async def _answer(self, heard: _Heard, receive: Receive) -> Response:
        refuse_strangers(heard.scope, heard.headers)
        _check_method(heard)
        if not heard.segments:
            return see(f"{CONSOLE}/")
        if heard.segments[0] == "static":
            return self._file(heard)
        form = await _form(heard, receive) if heard.method == "POST" else {}
        if heard.segments == ("sign-in",):
            return await self._sign_in(heard, form)
        session, caller = await self._signed_in(heard)
        if session is None or caller is None:
            return _to_sign_in(heard)
        if heard.method == "POST" and not is_own(session, form.get("csrf", "")):
            raise AdminError("FORBIDDEN", "This form is not of this session; load the page again")
        if heard.segments == ("sign-out",):
            return await self._sign_out(heard, session)
        return await self._page(heard, session, caller, form)

    async def _page(
        self, heard: _Heard, session: Session, caller: AccessToken, form: Form
    ) -> Response:
        page, values = _route(heard)
        asked = Asked(
            desk=Desk(self._around.operations, caller),
            session=session,
            query=forms.parsed(heard.scope["query_string"]),
            form=form,
            now=self._around.clock(),
            seen=self._around.seen,
            tries=self._around.tries,
            random=self._around.random,
        )
        made = partial(self._made, heard, asked, partial(page.answer, asked, **values))
        with acting(actor_of(heard.scope, caller)):
            answer: Response = await self._run(made, {}, slow=page.slow)
        return answer

    def _made(self, heard: _Heard, asked: Asked, make: Callable[[], Answer]) -> Response:
        """A page, or what went wrong, as that is shown to who is signed in. Blocks."""
        try:
            answer = make()
        except AdminError as error:
            if heard.fragment:
                raise
            told = {"message": error.message, "status": error.status}
            answer = Shown("error.html", told, status=error.status)
        if isinstance(answer, Response):
            return answer
        done = asked.query.get("done", "")
        common = {
            "caller": asked.desk.caller,
            "may": asked.desk.may,
            "csrf": asked.session.csrf,
            "now": asked.now,
            "place": heard.segments[0],
            "notice": NOTICES.get(done, ""),
            "version": VERSION,
        }
        return Response(
            answer.status, self._views.html(answer.template, {**common, **answer.context})
        )

    # --- who is signed in -------------------------------------------------------------------------

    async def _signed_in(self, heard: _Heard) -> tuple[Session | None, AccessToken | None]:
        cookies = all_of(heard.headers, b"cookie")
        session = self._around.sessions.read(cookies, over_tls=heard.over_tls)
        if session is None:
            return None, None
        told = {"id": session.access, "address": address_of(heard.scope)}
        return session, await self._run(self._around.known, told)

    async def _sign_in(self, heard: _Heard, form: Form) -> Response:
        if heard.method == "GET":
            notice = NOTICES["signed-out"] if heard.scope["query_string"] == b"signed-out" else ""
            return self._sign_in_page(200, notice=notice)
        _check_own_page(heard)
        given = b"Bearer " + forms.text(form, "token", 200).encode()
        try:
            caller = await self._around.callers.caller(
                heard.scope, [(b"authorization", given)], self._run
            )
        except AdminError as error:
            page = self._sign_in_page(error.status, problem=error.message)
            return page._replace(fields=tuple(_retry_after(error)))
        if caller is None:
            raise AdminError("UNKNOWN_ERROR", "Nobody signs in where nobody is asked who he is")
        return see(f"{CONSOLE}/", self._around.sessions.begin(caller.id, over_tls=heard.over_tls))

    async def _sign_out(self, heard: _Heard, session: Session) -> Response:
        if heard.method != "POST":
            raise AdminError("INPUT_ERROR", "This address takes POST", status=405)
        end = partial(self._around.sessions.end, session, over_tls=heard.over_tls)
        return see(f"{SIGN_IN}?signed-out", await self._run(end, {}))

    def _sign_in_page(self, status: int, *, problem: str = "", notice: str = "") -> Response:
        told = {"problem": problem, "notice": notice, "version": VERSION}
        return Response(status, self._views.html("sign_in.html", told))

    # --- all else ---------------------------------------------------------------------------------

    def _file(self, heard: _Heard) -> Response:
        _, *named = heard.segments
        found = self._views.file(*named) if len(named) == 2 else None
        if found is None or heard.method != "GET":
            raise AdminError("NOT_FOUND", "There is no such file")
        return found

    def _failure(self, error: AdminError, heard: _Heard) -> Response:
        """An error before anybody is known, or in a fragment."""
        told = {"message": error.message, "status": error.status}
        template = "error_line.html" if heard.fragment else "stranger.html"
        body = self._views.html(template, told)
        return Response(error.status, body, fields=(*_retry_after(error), *_allow(error)))

    async def _run(
        self, work: Callable[..., Any], arguments: dict[str, Any], *, slow: bool = False
    ) -> Any:
        limiter = self._limits.get(slow)
        if limiter is None:
            limiter = self._limits[slow] = anyio.CapacityLimiter(AT_ONCE)
        return await anyio.to_thread.run_sync(partial(work, **arguments), limiter=limiter)


def _heard(scope: HttpScope) -> _Heard | None:
    """The head of a request that is for the console; None for any other."""
    if scope["type"] != "http":
        return None
    headers: Headers = [(name.lower(), value) for name, value in scope["headers"]]
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    is_browser = b"text/html" in b",".join(all_of(headers, b"accept"))
    if raw == CONSOLE or (raw in _GUESSED and is_browser):
        return _Heard(scope, headers, ())
    if not raw.startswith(f"{CONSOLE}/"):
        return None
    segments = raw.removeprefix(f"{CONSOLE}/").split("/")
    return _Heard(scope, headers, tuple(map(unquote, segments)))


def _check_method(heard: _Heard) -> None:
    if heard.scope["method"] not in ("GET", "HEAD", "POST"):
        raise AdminError("INPUT_ERROR", "This address takes GET, HEAD, POST", status=405)


def _check_own_page(heard: _Heard) -> None:
    """Signing in has no session yet to hold the form to: the browser has to say where it is from.

    Else another page could sign its visitor in as somebody else.
    """
    if not all_of(heard.headers, b"origin") and not all_of(heard.headers, b"sec-fetch-site"):
        raise AdminError("FORBIDDEN", "Sign in with a browser, on this page")


def _to_sign_in(heard: _Heard) -> Response:
    if heard.fragment:
        return Response(401, fields=((b"hx-redirect", SIGN_IN.encode()),))
    return see(SIGN_IN)


async def _form(heard: _Heard, receive: Receive) -> Form:
    kind = b",".join(all_of(heard.headers, b"content-type")).partition(b";")[0].strip().lower()
    if kind != b"application/x-www-form-urlencoded":
        raise AdminError("INPUT_ERROR", "Send a form", status=415)
    body = await bodies.whole(receive, forms.LARGEST, "A form has 1 MiB at most")
    return forms.parsed(body)


def _route(heard: _Heard) -> tuple[Page, dict[str, str]]:
    allowed = []
    for page in PAGES:
        values = _match(page.path.split("/"), heard.segments)
        if values is not None and page.method == heard.method:
            return page, values
        allowed += [page.method] if values is not None else []
    if allowed:
        methods = ", ".join(sorted(set(allowed)))
        raise AdminError("INPUT_ERROR", f"This address takes {methods}", status=405)
    raise AdminError("NOT_FOUND", "There is no such page")


def _match(template: list[str], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    values = {}
    for expected, given in zip(template, segments, strict=True):
        if expected.startswith("{") and given:
            values[expected[1:-1]] = given
        elif expected != given:
            return None
    return values


def _retry_after(error: AdminError) -> Headers:
    if isinstance(error, TooManyFailures):
        return [(b"retry-after", b"%d" % error.seconds)]
    return [(b"retry-after", b"1")] if error.status == 503 else []


def _allow(error: AdminError) -> Headers:
    if error.status != 405:
        return []
    return [(b"allow", error.message.removeprefix("This address takes ").encode())]


async def _send(send: Send, heard: _Heard, response: Response) -> None:
    headers = response.headers
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if heard.scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})
