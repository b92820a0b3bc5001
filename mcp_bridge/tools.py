"""The vocabulary of the bridge: tools, and how the bridge reaches a function.

The bridge declares `Invoker`; whoever composes it brings one. So a tool call goes through the same
gate as any request, and the bridge knows neither sockets nor functions.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

JSONObject = Mapping[str, Any]
"""A JSON object; never changed once it stands in a frozen value."""

ParameterPlace = Literal["path", "query", "header", "cookie"]
BodyKind = Literal["none", "json", "form", "multipart", "raw"]
StreamMode = Literal["last", "concat"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One OpenAPI parameter (OpenAPI 3.1 §4.8.12) and the argument that fills it.

    Attributes:
        argument: the property of the tool's input that holds the value.
        name: the parameter's own name, as it goes on the wire.
        style: `simple`, `label`, `matrix`, `form`, `spaceDelimited`, `pipeDelimited`, `deepObject`.
        content_type: set when the parameter has `content` instead of a schema.
    """

    argument: str
    name: str
    place: ParameterPlace
    style: str
    explode: bool
    required: bool = False
    allow_reserved: bool = False
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class RequestBody:
    """How arguments become a request body.

    Attributes:
        kind: how it is serialised.
        content_type: the media type sent.
        argument: the argument that is the whole body; None: every argument that fills no parameter
            is a property of an object body.
        required: whether a body is sent even if no argument fills it.
        encodings: (property, content type) of multipart parts that have a type of their own; what
            is not text is in base64 among the arguments.
    """

    kind: BodyKind
    content_type: str = ""
    argument: str | None = None
    required: bool = False
    encodings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """The HTTP request behind a tool.

    Attributes:
        method: upper case.
        path: the OpenAPI path template, such as `/users/{id}`, with the base path of `servers` in
            front where the document has one.
    """

    method: str
    path: str
    parameters: tuple[Parameter, ...] = ()
    body: RequestBody = RequestBody("none")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function's operation as an MCP tool (MCP 2025-11-25, server/tools).

    Attributes:
        name: `[a-zA-Z0-9_-]{1,64}`, unique in its catalog.
        input_schema: JSON Schema 2020-12 of type object; `$ref`s stay inside it.
        output_schema: only where the bridge enforces it, else None.
        annotations: all four hints, always written.
        known_as: other names by which a scope may name it.
        public: overrides the function's `public` where the project file says so, else None.
        timeout: milliseconds, overriding the function's, or None.
        methods: overrides the function's allowed methods, or None.
        stream: which of a streaming answer's events is the result: the last, or all text joined.
    """

    name: str
    description: str
    input_schema: JSONObject
    operation: Operation
    title: str | None = None
    output_schema: JSONObject | None = None
    annotations: JSONObject = field(default_factory=dict)
    icons: tuple[JSONObject, ...] = ()
    public: bool | None = None
    timeout: int | None = None
    methods: tuple[str, ...] | None = None
    stream: StreamMode = "last"
    known_as: tuple[str, ...] = ()

    def is_public(self, function: bool) -> bool:
        """Whether it needs no token; `function` is whether its function is public."""
        return function if self.public is None else self.public


@dataclass(frozen=True, slots=True)
class ToolWarning:
    """Why a tool was left out or changed: shown at deploy, never to clients."""

    tool: str
    message: str


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """One HTTP request that the bridge wants made.

    Attributes:
        target: path and query, percent-encoded, as the function shall see it.
        headers: names in lower case; only those that come from arguments, the body's type, the
            call's trace context and the caller's fields that are configured to be carried on.
        context: what the function is told of the call's client (`mcp_bridge.state.HEADER`), or
            None.
    """

    tool: Tool
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | None
    context: bytes | None = field(default=None, repr=False)


class ToolResponse(NamedTuple):
    """What the function answered, whole; at most the limit for tool results."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answering:
    """What a function answers, as it comes; iterating over the body raises InvocationError."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: AsyncIterator[bytes] = field(repr=False)


class InvocationError(Exception):
    """The request could not be made or got no whole answer.

    Attributes:
        code: the edge's stable error code, such as `upstream_timeout`.
        public: what a model may read; never a stack trace.
    """

    def __init__(self, code: str, public: str) -> None:
        super().__init__(public)
        self.code = code
        self.public = public


class Invoker(Protocol):
    """Reaches the function that one MCP request is for, through the same gate as plain HTTP."""

    def open(self, request: ToolRequest) -> AbstractAsyncContextManager[Answering]:
        """Make one request; its answer is read inside the block.

        Leaving before its end, or cancelling, aborts the function's request.

        Raises:
            InvocationError: refused by a limit, unreachable, timed out, or truncated.
        """
        ...
