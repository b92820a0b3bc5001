"""Results that a function words itself, in MCP's own form: checked, and fitted to a revision.

An answer of the type `application/vnd.mcp.result+json` holds a `CallToolResult` or, where requests
stand alone, an `InputRequiredResult`. Imports the SDK's types, which say what each revision allows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from mcp_types.methods import SERVER_RESULTS, serialize_server_result
from pydantic import BaseModel, ValidationError

from mcp_bridge.jsontext import JSONError, has_more_than, parse
from mcp_bridge.results import Result, error_result
from mcp_bridge.revisions import (
    STATELESS,
    has_audio,
    has_resource_links,
    has_structured_content,
    is_stateless,
)

MEDIA_TYPE = "application/vnd.mcp.result+json"

MISSING_CAPABILITY = -32021
"""The JSON-RPC error of a call that needs what its client did not declare (MCP 2026-07-28)."""

MAX_VALUES = 10_000
"""Values that a result holds beside structured content: each is checked for its shape."""

_RESERVED = "io.modelcontextprotocol/"
_CALL = "tools/call"
_ALTERNATIVES = ("type", "method", "mode", "role")


def _models(kind: str) -> dict[tuple[str, str], type[BaseModel]]:
    """The SDK's model of one kind of result, alone: its union would take one for the other."""
    return {
        (method, revision): model
        for (method, revision), either in SERVER_RESULTS.items()
        if method == _CALL
        for model in get_args(either) or (either,)
        if model.__name__ == kind
    }


_MODELS = {kind: _models(kind) for kind in ("CallToolResult", "InputRequiredResult")}


@dataclass(frozen=True, slots=True)
class InputRequired:
    """A result that asks the client first (MCP 2026-07-28, multi round-trip requests).

    Attributes:
        requests: what is asked, by the function's own keys.
        state: what the function wants back with the answers, as it said it; seal it.
    """

    requests: Mapping[str, Any]
    state: str | None = field(repr=False)
    meta: Mapping[str, Any] | None = None

    def result(self, sealed: str | None) -> Result:
        """The result on the wire; `sealed` is what stands for `state` there."""
        return {
            "resultType": "input_required",
            **({"inputRequests": self.requests} if self.requests else {}),
            **({"requestState": sealed} if sealed is not None else {}),
            **({"_meta": self.meta} if self.meta else {}),
        }


@dataclass(frozen=True, slots=True)
class MissingCapability:
    """What a client would have to declare: the message and `data` of `MISSING_CAPABILITY`."""

    message: str
    data: Mapping[str, Any]


def read_literal(body: bytes, revision: str) -> Result | InputRequired | str:
    """The result of an answer, as the revision allows it; a text says what is wrong with it."""
    try:
        value = parse(body)
    except JSONError as problem:
        return f"it is not JSON: {problem.message}"
    if not isinstance(value, dict):
        return "it is not an object"
    if has_more_than({**value, "structuredContent": None}, MAX_VALUES):
        return f"it holds more than {MAX_VALUES} values beside structuredContent"
    meta = value.get("_meta")
    if isinstance(meta, dict) and any(key.startswith(_RESERVED) for key in meta):
        return f"_meta has a key that starts with {_RESERVED}, which is not the function's to set"
    if value.get("resultType") == "input_required":
        return _input_required(value, revision)
    if value.get("resultType", "complete") != "complete":
        return 'resultType is neither "complete" nor "input_required"'
    return _complete(value, revision)


def missing_capability(
    asked: InputRequired, capabilities: Mapping[str, Any]
) -> MissingCapability | None:
    """What the requests need of the client and it did not declare, or None if nothing.

    Args:
        capabilities: the client's, as it sent them with the call.
    """
    needed: dict[str, Any] = {}
    for request in asked.requests.values():
        for name, part in _needs(request):
            if not _declares(capabilities, name, part):
                needed.setdefault(name, {}).update({part: {}} if part else {})
    if not needed:
        return None
    names = [
        f"{name}.{part}".rstrip(".") for name, parts in needed.items() for part in parts or ("",)
    ]
    said = f"The client did not declare what this call needs: {', '.join(names)}."
    return MissingCapability(said, {"requiredCapabilities": needed})


def _needs(request: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    params = request.get("params") or {}
    match request["method"]:
        case "elicitation/create":
            yield "elicitation", params.get("mode", "form")
        case "sampling/createMessage":
            wants_tools = params.get("tools") is not None or params.get("toolChoice") is not None
            yield "sampling", "tools" if wants_tools else ""
        case _:
            yield "roots", ""


def _declares(capabilities: Mapping[str, Any], name: str, part: str) -> bool:
    """`elicitation: {}`, the only form before modes were, counts as `form`."""
    declared = capabilities.get(name)
    if not isinstance(declared, dict):
        return False
    if (name, part) == ("elicitation", "form"):
        return declared.get("form") is not None or declared.get("url") is None
    return not part or declared.get(part) is not None


def _input_required(value: dict[str, Any], revision: str) -> Result | InputRequired | str:
    checked = _checked(value, STATELESS[-1], "InputRequiredResult")
    if isinstance(checked, str):
        return checked
    asked, state = checked.get("inputRequests", {}), checked.get("requestState")
    if not asked and state is None:
        return "it has neither inputRequests nor requestState"
    if not is_stateless(revision):
        return error_result(
            "The tool needs more input before it can go on, and this client cannot be asked: "
            f"its revision of MCP, {revision}, has no input_required results."
        )
    return InputRequired(asked, state, checked.get("_meta"))


def _complete(value: dict[str, Any], revision: str) -> Result | str:
    content = value.get("content")
    if isinstance(content, list):
        value = {**value, "content": [_fitted(block, revision) for block in content]}
    if not has_structured_content(revision):
        value = {key: part for key, part in value.items() if key != "structuredContent"}
    checked = _checked({**value, "resultType": "complete"}, revision, "CallToolResult")
    if isinstance(checked, str) or is_stateless(revision):
        return checked
    return {key: part for key, part in checked.items() if key != "resultType"}


def _fitted(block: Any, revision: str) -> Any:
    """A content block, or text where the revision does not know its kind."""
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "audio" and not has_audio(revision):
        return {"type": "text", "text": f"[audio, {block.get('mimeType')}: not for this client]"}
    if kind == "resource_link" and not has_resource_links(revision):
        said = (block.get(key) for key in ("title", "name", "uri", "description"))
        lines = dict.fromkeys(line for line in said if isinstance(line, str))
        return {"type": "text", "text": "\n".join(lines)}
    return block


def _checked(value: dict[str, Any], revision: str, kind: str) -> dict[str, Any] | str:
    """The result without what the revision does not know, or what is wrong with it."""
    try:
        return serialize_server_result(_CALL, revision, value, surface=_MODELS[kind])
    except ValidationError as problem:
        found = [(error["loc"], error["msg"]) for error in problem.errors(include_url=False)]
    others = {place[:-1] for place, _ in found if place[-1:] and place[-1] in _ALTERNATIVES}
    inner = (one for one in found if not _is_within(one[0], others))
    place, said = next(inner, found[0])
    return f"{_path(place)}: {said}"


def _is_within(place: tuple[int | str, ...], others: set[tuple[int | str, ...]]) -> bool:
    return any(place[:length] in others for length in range(len(place) + 1))


def _path(place: tuple[int | str, ...]) -> str:
    """A place in the JSON, without the names of the SDK's classes."""
    steps = [step for step in place if isinstance(step, int) or not step[:1].isupper()]
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
