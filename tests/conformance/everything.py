"""An MCP server with all that the conformance suite asks for, on the official SDK; a program.

The edge stands before it as before any function that is an MCP server itself. It prints
`Function ready on http://…` once it listens; `PORT` picks where. With `only-handshake` or
`only-stateless` as its argument it speaks the revisions of that era alone.
"""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ToolsListChanged,
)
from mcp.server.transport_security import TransportSecuritySettings

from tests.conformance import forms, wanted
from tests.conformance.rounds import ROUNDS, Said, asks, form
from tests.support import mcp_era

Context = ServerRequestContext[Any]
ToolResult = types.CallToolResult | types.InputRequiredResult

PROMPT_ARGUMENTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}
TEMPLATE = "test://template/{id}/data"
RESOURCES = {
    "test://static-text": ("text/plain", "This is the content of the static text resource."),
    "test://watched-resource": ("text/plain", "Watched resource content"),
    "test://static-binary": ("image/png", None),
}
RECONNECT_AFTER_MS = 100


class Events(EventStore):
    """What streams have carried, so that a client can go on where it was cut off."""

    def __init__(self) -> None:
        self._streams: dict[str, list[tuple[int, types.JSONRPCMessage | None]]] = defaultdict(list)
        self._last = 0

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._last += 1
        self._streams[stream_id].append((self._last, message))
        return str(self._last)

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        seen = int(last_event_id)
        for stream, events in self._streams.items():
            if any(number == seen for number, _ in events):
                for number, message in events:
                    if number > seen and message is not None:
                        await send_callback(EventMessage(message, str(number)))
                return stream
        return None


class Everything:
    """The handlers of one server."""

    def __init__(self) -> None:
        self.bus = InMemorySubscriptionBus()
        self.tools: dict[str, Callable[[Context, Mapping[str, Any]], Awaitable[Any]]] = {
            "test_tool_with_logging": self.with_logging,
            "test_tool_with_progress": self.with_progress,
            "test_sampling": self.sampling,
            "test_elicitation": self.elicitation,
            "test_elicitation_sep1034_defaults": self.elicitation_of(forms.DEFAULTS),
            "test_elicitation_sep1330_enums": self.elicitation_of(forms.ENUMS),
            "test_reconnection": self.reconnection,
            "test_missing_capability": self.missing_capability,
            "test_x_mcp_header": self.region,
            "test_trigger_tool_change": self.announcing(ToolsListChanged()),
            "test_trigger_prompt_change": self.announcing(PromptsListChanged()),
        }

    def server(self) -> Server[Any]:
        """The SDK's server with all handlers."""
        server = Server(
            "everything",
            version="1.0.0",
            get_tool_input_schema=schema,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=list_resources,
            on_list_resource_templates=list_templates,
            on_read_resource=read_resource,
            on_list_prompts=list_prompts,
            on_get_prompt=get_prompt,
            on_completion=complete,
            on_subscriptions_listen=ListenHandler(self.bus),
        )
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, nothing)
        server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, nothing)
        server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, nothing)
        security = RequestStateSecurity(keys=[os.urandom(32)])
        server.middleware.append(RequestStateBoundary(security, default_audience="everything"))
        return server

    async def list_tools(self, ctx: Context, params: Any) -> types.ListToolsResult:
        """Every tool; those that ask the client by request exist on handshake revisions only."""
        names = [*wanted.RESULTS, *ROUNDS, *self.tools]
        tools = [
            types.Tool(name=name, description=f"Conformance: {name}", input_schema=schema(name))
            for name in names
        ]
        return types.ListToolsResult(tools=tools)

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> ToolResult:
        """One call of one tool."""
        if params.name in wanted.RESULTS:
            return result(wanted.RESULTS[params.name])
        if params.name in ROUNDS:
            return result(ROUNDS[params.name](said(ctx, params)))
        if params.name not in self.tools:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
        return result(await self.tools[params.name](ctx, params.arguments or {}))

    async def with_logging(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        for step in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await log(ctx, step)
            await anyio.sleep(wanted.PROGRESS_PAUSE)
        return wanted.text("Tool with logging executed successfully")

    async def with_progress(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        for step in wanted.PROGRESS:
            await ctx.session.report_progress(step, 100, f"Completed step {step} of 100")
            await anyio.sleep(wanted.PROGRESS_PAUSE)
        return wanted.text("Progress was reported.")

    async def sampling(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        content = types.TextContent(text=arguments["prompt"])
        answer = await ctx.session.create_message(
            [types.SamplingMessage(role="user", content=content)],
            max_tokens=100,
            related_request_id=ctx.request_id,
        )
        return wanted.text(f"LLM response: {getattr(answer.content, 'text', '')}")

    async def elicitation(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        return await self.elicited(ctx, arguments["message"], forms.RESPONSE)

    def elicitation_of(self, requested: dict[str, Any]) -> Any:
        async def ask(ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
            return await self.elicited(ctx, "Please fill in the form", requested)

        return ask

    async def elicited(
        self, ctx: Context, message: str, requested: dict[str, Any]
    ) -> wanted.Result:
        answer = await ctx.session.elicit_form(message, requested, ctx.request_id)
        return wanted.text(f"action={answer.action}, content={answer.content}")

    async def reconnection(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        """Close the stream in mid-call; the rest is had by a `GET` that resumes it."""
        await log(ctx, "Before the stream is closed")
        if ctx.close_sse_stream is not None:
            await ctx.close_sse_stream()
        await anyio.sleep(2 * RECONNECT_AFTER_MS / 1000)
        await log(ctx, "After the stream was closed")
        return wanted.text("Reconnection test completed")

    async def missing_capability(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        declared = ctx.session.client_capabilities
        if declared is None or declared.sampling is None:
            raise MCPError(
                types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                "This tool needs the client's sampling",
                {"requiredCapabilities": {"sampling": {}}},
            )
        return wanted.text("The client declared sampling.")

    async def region(self, ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
        return wanted.text(f"region={arguments.get('region')}")

    def announcing(self, event: Any) -> Any:
        async def announce(ctx: Context, arguments: Mapping[str, Any]) -> wanted.Result:
            await self.bus.publish(event)
            return wanted.text("Announced.")

        return announce


def schema(name: str) -> dict[str, Any]:
    """A tool's input schema."""
    return wanted.SCHEMAS.get(name) or forms.ARGUMENTS.get(name) or wanted.OBJECT


def result(made: wanted.Result) -> ToolResult:
    """A literal as the SDK's type."""
    asking = made.get("resultType") == "input_required"
    kind: type[ToolResult] = types.InputRequiredResult if asking else types.CallToolResult
    return kind.model_validate(made)


def said(ctx: Context, params: types.CallToolRequestParams | types.GetPromptRequestParams) -> Said:
    """What came with a call of a tool that asks back."""
    answers = params.input_responses or {}
    declared = ctx.session.client_capabilities
    return Said(
        {key: plain(answer) for key, answer in answers.items()},
        params.request_state,
        plain(declared) if declared is not None else {},
    )


def plain(model: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dumped


async def log(ctx: Context, line: str) -> None:
    await ctx.session.send_log_message("info", line, related_request_id=ctx.request_id)


async def nothing(ctx: Context, params: Any) -> types.EmptyResult:
    """Accept, and do nothing of it."""
    return types.EmptyResult()


async def list_resources(ctx: Context, params: Any) -> types.ListResourcesResult:
    found = [
        types.Resource(uri=uri, name=uri.rpartition("/")[2], mime_type=kind)
        for uri, (kind, _) in RESOURCES.items()
    ]
    return types.ListResourcesResult(resources=found)


async def list_templates(ctx: Context, params: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(uri_template=TEMPLATE, name="template")
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(
    ctx: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    uri = str(params.uri)
    kind, content = RESOURCES.get(uri, ("application/json", None))
    field = {"text": content}
    if uri == "test://static-binary":
        field = {"blob": wanted.IMAGE["data"]}
    elif uri not in RESOURCES:
        named = re.fullmatch(re.escape(TEMPLATE).replace(r"\{id\}", "([^/]+)"), uri)
        if named is None:
            raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
        field = {"text": f'{{"id":"{named[1]}","templateTest":true}}'}
    contents = {"contents": [{"uri": uri, "mimeType": kind, **field}]}
    return types.ReadResourceResult.model_validate(contents)


async def list_prompts(ctx: Context, params: Any) -> types.ListPromptsResult:
    prompts = [
        types.Prompt(
            name=name,
            description=f"Conformance: {name}",
            arguments=[types.PromptArgument(name=each, required=True) for each in arguments],
        )
        for name, arguments in PROMPT_ARGUMENTS.items()
    ]
    return types.ListPromptsResult(prompts=prompts)


async def get_prompt(
    ctx: Context, params: types.GetPromptRequestParams
) -> types.GetPromptResult | types.InputRequiredResult:
    given = params.arguments or {}
    if params.name == "test_input_required_result_prompt":
        context = said(ctx, params).content("user_context")
        if context is None:
            wanted_form = form("What context should the prompt use?", "context")
            return types.InputRequiredResult.model_validate(asks({"user_context": wanted_form}))
        return prompt({"type": "text", "text": f"Use this context: {context['context']}"})
    if params.name == "test_prompt_with_arguments":
        return prompt({"type": "text", "text": f"arg1='{given['arg1']}', arg2='{given['arg2']}'"})
    if params.name == "test_prompt_with_embedded_resource":
        embedded = {"uri": given["resourceUri"], "mimeType": "text/plain", "text": "Embedded."}
        return prompt(
            {"type": "resource", "resource": embedded},
            {"type": "text", "text": "Please process the embedded resource above."},
        )
    if params.name == "test_prompt_with_image":
        return prompt(wanted.IMAGE, {"type": "text", "text": "Please analyze the image above."})
    if params.name == "test_simple_prompt":
        return prompt({"type": "text", "text": "This is a simple prompt for testing."})
    raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")


def prompt(*contents: dict[str, Any]) -> types.GetPromptResult:
    messages = [{"role": "user", "content": content} for content in contents]
    return types.GetPromptResult.model_validate({"messages": messages})


async def complete(ctx: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=[], total=0, has_more=False))


class Application:
    """The server as an ASGI application; `/mcp` and nothing else."""

    def __init__(self, only: str = "") -> None:
        self._only = only
        local = TransportSecuritySettings(
            allowed_hosts=["127.0.0.1:*"], allowed_origins=["http://127.0.0.1:*"]
        )
        self.manager = StreamableHTTPSessionManager(
            Everything().server(),
            event_store=Events(),
            retry_interval=RECONNECT_AFTER_MS,
            security_settings=local,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        elif scope["path"] == "/mcp":
            await self.answer(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request of an era that is spoken."""
        fields = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        if mcp_era.is_foreign(self._only, fields):
            await mcp_era.refuse(send)
        else:
            await self.manager.handle_request(scope, receive, send)

    async def lifespan(self, receive: Any, send: Any) -> None:
        """Run the manager from startup to shutdown, in one task."""
        await receive()
        async with self.manager.run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


class Announced(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(f"Function ready on http://127.0.0.1:{port}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    settings = uvicorn.Config(
        Application(*sys.argv[1:]),
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "0")),
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    Announced(settings).run()
