"""For authors' tests: a function called as the edge would call it, without sockets.

`call` goes the whole way of a request, validation and all; the mocks are for handlers on their own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from edge.sdk.context import Context, Env, Kind, Trigger
from edge.sdk.defining import App, Function
from edge.sdk.encoding import encode
from edge.sdk.handling import Answer, Service
from edge.sdk.inputs import QUERY_METHODS
from edge.sdk.requests import Headers, Request
from edge.sdk.routing import Tool
from mcp_bridge.jsontext import parse

REQUEST_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Result:
    """What a function answered.

    Attributes:
        body: whole, streams too.
        logs: what it wrote with `ctx.log`, and failures, each as the object on its line.
    """

    status: int
    headers: Headers
    body: bytes
    logs: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return parse(self.body)

    @property
    def events(self) -> list[tuple[str, str]]:
        """Name and data of each event of a stream; unnamed ones are called `message`."""
        found = []
        for block in self.text.split("\n\n"):
            fields = [line.partition(": ")[::2] for line in block.splitlines()]
            data = [value for key, value in fields if key == "data"]
            if data:
                name = next((value for key, value in fields if key == "event"), "message")
                found.append((name, "\n".join(data)))
        return found


def create_mock_request(
    url: str = "http://localhost:8000/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    json: Any = None,
) -> Request:
    """A request; with `json` that value is its body."""
    parts = urlsplit(url)
    fields = {"Host": parts.netloc, **(headers or {})}
    content = body.encode() if isinstance(body, str) else body
    if json is not None:
        fields = {"Content-Type": "application/json", **fields}
        content = encode(json)
    return Request(method, parts.path or "/", parts.query, Headers(fields), content)


def create_mock_context(**fields: Any) -> Context:
    """A context for a handler called on its own; any field may be given, `env` as a dict."""
    if isinstance(fields.get("env"), Mapping):
        fields["env"] = Env(fields["env"])
    given: dict[str, Any] = {"function": "test-function", "request_id": REQUEST_ID, **fields}
    return Context(**given)


def create_mock_cron_context(
    cron: str = "* * * * *", name: str | None = None, **fields: Any
) -> Context:
    """A context as a schedule makes it."""
    trigger = Trigger("cron", cron, name, "run_test")
    return create_mock_context(**{"method": "POST", "trigger": trigger, **fields})


def call(function: Function | App, input: Any = None, **how: Any) -> Result:  # noqa: A002
    """Call a function, and wait for its whole answer; see `acall` for what may be given.

    Raises:
        RuntimeError: within a running loop; there, await `acall`.
    """
    return asyncio.run(acall(function, input, **how))


async def acall(
    function: Function | App,
    input: Any = None,  # noqa: A002
    *,
    tool: str | None = None,
    method: str | None = None,
    path: str | None = None,
    params: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    trigger: Kind | Trigger = "http",
    env: Mapping[str, str] | None = None,
    slug: str = "test-function",
) -> Result:
    """Call a function as the edge would.

    Args:
        input: the JSON body, or the query where the method has no body.
        tool: which of an app's; not needed for a function or an app of one.
        method: by default the one by which agents call it.
        path: by default the tool's own, its parameters taken from `params`.
        body: bytes in place of `input`, for webhooks.
        trigger: what makes it run; a `Trigger` says which schedule.
        env: the secrets.

    Raises:
        KeyError: the app has no such tool.
    """
    lines: list[str] = []
    service = Service(function, slug, Env(env), _collector(lines))
    chosen = _chosen(service, tool)
    verb = method or chosen.usual_method
    pairs = dict(query or {})
    if body is None and input is not None and verb in QUERY_METHODS:
        pairs |= input
        input = None  # noqa: A001
    target = path or _filled(chosen, params or {})
    if pairs:
        target += f"{'&' if '?' in target else '?'}{urlencode(pairs, doseq=True)}"
    request = create_mock_request(
        f"http://localhost:8000{target}",
        method=verb,
        headers={**_said(trigger), "X-Request-Id": REQUEST_ID, **(headers or {})},
        body=body or b"",
        json=input if body is None else None,
    )
    result = await _whole(await service.answer(request))
    return replace(result, logs=tuple(parse(each.encode()) for each in lines))


def _collector(lines: list[str]) -> Callable[[str], None]:
    return lines.append


def _chosen(service: Service, name: str | None) -> Tool:
    if name is None and len(service.tools) == 1:
        return service.tools[0]
    found = {each.name: each for each in service.tools}
    if name not in found:
        raise KeyError(f"tool must be one of {', '.join(found)}, not {name!r}")
    return found[name]


def _filled(tool: Tool, params: Mapping[str, str]) -> str:
    path = tool.template
    for name, value in params.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _said(trigger: Kind | Trigger) -> dict[str, str]:
    """The fields by which the edge tells what makes a function run."""
    made = trigger if isinstance(trigger, Trigger) else Trigger(trigger)
    fields = {
        "X-Jelou-Trigger": made.type,
        "X-Jelou-Cron": made.cron,
        "X-Jelou-Cron-Name": made.cron_name,
        "X-Jelou-Cron-Run": made.cron_run,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def _whole(answer: Answer) -> Result:
    body = answer.body
    if not isinstance(body, bytes):
        body = b"".join([piece async for piece in body])
    return Result(answer.status, Headers(list(answer.fields)), body)
