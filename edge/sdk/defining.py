"""`define()` and `app()`: a function, or several at one address, declared once.

What a key of `config` means is not judged here: the edge reads it as it reads a project file.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from edge.sdk.context import Context
from edge.sdk.declared import shape_of
from edge.sdk.requests import Request
from edge.sdk.shapes import JSON, Shape
from mcp_bridge.names import is_legal, kebab_case

MAX_DESCRIPTION = 1024

Input = TypeVar("Input")
Handler = Callable[[Input, Context], Any] | Callable[[Input, Context, Request], Any]
Schema = Mapping[str, Any]


class DefinitionError(ValueError):
    """A declaration that cannot be served; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Function:
    """What `define()` makes.

    Attributes:
        name: empty where the key in an app, or the function's slug, says it.
        takes_request: whether the handler wants the request as its third argument.
    """

    name: str
    description: str
    input: Shape | None
    output: Shape | None
    config: JSON
    handler: Callable[..., Any]
    takes_request: bool


@dataclass(frozen=True, slots=True)
class App:
    """What `app()` makes: functions by the names of their tools."""

    tools: Mapping[str, Function]
    config: JSON = field(default_factory=dict)


@overload
def define(
    *,
    handler: Handler[Input],
    input: type[Input],
    name: str = "",
    description: str = "",
    output: Any = None,
    config: Schema | None = None,
) -> Function: ...


@overload
def define(
    *,
    handler: Handler[Any],
    input: Schema | None = None,
    name: str = "",
    description: str = "",
    output: Any = None,
    config: Schema | None = None,
) -> Function: ...


def define(
    *,
    handler: Handler[Any],
    input: Any = None,  # noqa: A002
    name: str = "",
    description: str = "",
    output: Any = None,
    config: Schema | None = None,
) -> Function:
    """Declare a function: its HTTP endpoint, OpenAPI operation, MCP tool and schedules in one.

    Args:
        handler: `fn(input, ctx)` or `fn(input, ctx, request)`; plain (it runs in a thread of its
            own), async, or a generator of either kind, whose values are sent as they come.
        input: what it takes: a type that Pydantic reads, or a JSON Schema; None: anything.
        name: of the tool; by default the key in an app, or the function's slug.
        description: what agents read to decide on a call.
        output: what it gives, as `input`; answers are held to it.
        config: as `config` in a project file, with `path` too.

    Raises:
        DefinitionError: something of it cannot be.
    """
    if name:
        _check_name(name, f"name {name!r}")
    label = name or getattr(handler, "__name__", "the function")
    if len(description) > MAX_DESCRIPTION:
        raise DefinitionError(
            f"description of {label} has {len(description)} characters; "
            f"at most {MAX_DESCRIPTION} are allowed"
        )
    return Function(
        name,
        description,
        _shape(f"input of {label}", input),
        _shape(f"output of {label}", output),
        _config(label, config),
        handler,
        _takes_request(label, handler),
    )


def app(*, tools: Mapping[str, Function], config: Schema | None = None) -> App:
    """Declare several functions at one address, each with a route: `sendEmail` is `/send-email`.

    Args:
        tools: by the names of their tools.
        config: of all of them; what a tool's own `config` says wins.

    Raises:
        DefinitionError: something of it cannot be.
    """
    if not tools:
        raise DefinitionError("an app needs tools: app(tools={'sendEmail': define(...)})")
    routes: dict[str, str] = {}
    for key, tool in tools.items():
        _check_name(key, repr(key))
        if not isinstance(tool, Function):
            raise DefinitionError(f"tool {key} must be made by define(...), not {tool!r}")
        other = routes.setdefault(tool.config.get("path") or kebab_case(key), key)
        if other != key and not tool.config.get("methods"):
            raise DefinitionError(f"tools {other} and {key} would have the same route; rename one")
    return App(dict(tools), _config("the app", config))


def _check_name(name: str, shown: str) -> None:
    if not is_legal(name):
        raise DefinitionError(
            f"{shown} is not a tool name; write 1 to 64 of a-z, A-Z, 0-9, _ and -"
        )


def _shape(label: str, declared: Any) -> Shape | None:
    try:
        return None if declared is None else shape_of(declared)
    except ValueError as problem:
        raise DefinitionError(f"{label}: {problem}") from None


def _config(label: str, config: Schema | None) -> JSON:
    if config is not None and not isinstance(config, Mapping):
        raise DefinitionError(f"config of {label} must be a dict, not {config!r}")
    return dict(config or {})


def _takes_request(label: str, handler: Any) -> bool:
    """Whether a handler has a place for the request, after input and context."""
    wanted = f"handler of {label} must be a function: fn(input, ctx) or fn(input, ctx, request)"
    if not callable(handler):
        raise DefinitionError(f"{wanted}, not {handler!r}")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return False
    for count in (3, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count == 3
    raise DefinitionError(f"{wanted}, not {getattr(handler, '__name__', 'it')}{signature}")
