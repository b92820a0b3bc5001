"""What a token of some tools may say to a function that is an MCP server, and is shown of it. Pure.

The function knows nothing of the token's scopes, so every message is read here before it reads it;
whatever two readers could take for different messages is refused.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from mcp_bridge.admission import VERSION, Rejection, message_of, only
from mcp_bridge.fields import fold
from mcp_bridge.jsonrpc import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Message,
)
from mcp_bridge.jsontext import JSONError, dump, parse
from mcp_bridge.revisions import is_stateless
from tokens.model import Scopes
from tokens.secret import redact

Fields = Iterable[tuple[bytes, bytes]]

METHODS = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "tools/call",
        "logging/setLevel",
        "subscriptions/listen",
    }
)
"""Requests that such a token may make: those about tools, and what every client needs."""

CAPABILITIES = frozenset({"tools", "logging"})
"""What it is told that the function can do."""

_KEYS = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS = frozenset({"name", "arguments", "_meta", "notifications"})
_CHARSET = re.compile(rb"application/json(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?", re.IGNORECASE)
_SENTINEL = re.compile(rb"=\?base64\?(.*)\?=")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


def check_message(body: bytes, headers: Fields, scopes: Scopes, max_depth: int) -> None:
    """Judge the message of a POST.

    Raises:
        Rejection: it is not one message that every reader reads alike, its fields say otherwise,
            or the token does not cover it.
    """
    fields = list(headers)
    _check_coding(fields)
    message = message_of(body, max_depth)
    _check_keys(body, message)
    _check_mirrors(fields, message)
    _check_covered(message, scopes, _is_stateless(fields))


def _check_coding(fields: list[tuple[bytes, bytes]]) -> None:
    """UTF-8 and nothing around it, or a lenient function might read other characters."""
    kinds = [value for name, value in fields if fold(name) == b"content-type"]
    if len(kinds) != 1 or _CHARSET.fullmatch(kinds[0].strip()) is None:
        message = "Send Content-Type: application/json, in UTF-8, with the message."
        raise Rejection(415, "unsupported_media_type", message)
    if any(fold(name) == b"content-encoding" for name, _ in fields):
        raise Rejection(415, "unsupported_media_type", "Send the message without Content-Encoding.")


def _check_keys(body: bytes, message: Message) -> None:
    """No key twice anywhere, and none that a reader without regard to case takes for another."""
    pairs: list[list[str]] = []

    def collect(members: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([name for name, _ in members])
        return dict(members)

    json.loads(body, object_pairs_hook=collect)
    if any(len(set(names)) != len(names) for names in pairs):
        raise _ambiguous("A key stands there twice.")
    params = message.value.get("params", {})
    for names, known in ((message.value, _KEYS), (params, _PARAMS)):
        folded = [_folded(name) for name in names]
        alike = len(set(folded)) != len(folded)
        if alike or any(f in known and f != n for f, n in zip(folded, names, strict=True)):
            raise _ambiguous("A key differs from the protocol's, or from another, by case alone.")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _ambiguous(message: str) -> Rejection:
    return Rejection(400, "bad_request", message)


def _check_mirrors(fields: list[tuple[bytes, bytes]], message: Message) -> None:
    """`Mcp-Method` and `Mcp-Name`, where a function may route by them, say what the body says."""
    params = message.value.get("params", {})
    said = {b"mcp-method": message.method, b"mcp-name": params.get("name")}
    for name, value in fields:
        folded = fold(name)
        if folded in said and (name != folded or _decoded(value) != said[folded]):
            text = f"The header {folded.decode()} does not agree with the body."
            raise Rejection(400, "bad_request", text, rpc_code=HEADER_MISMATCH, id=message.id)


def _decoded(value: bytes) -> str | None:
    """A mirrored value, which may stand in base64; None if it is none."""
    wrapped = _SENTINEL.fullmatch(value)
    try:
        raw = base64.b64decode(wrapped[1], validate=True) if wrapped else value
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _check_covered(message: Message, scopes: Scopes, stateless: bool) -> None:
    if message.kind == "response":
        return
    if message.kind == "notification":
        if not message.method.startswith("notifications/"):
            raise _ambiguous("A request has an id.")
        return
    params = message.value.get("params", {})
    if message.method not in METHODS or not _listens_to_tools(message.method, params):
        raise Rejection(
            404 if stateless else 200,
            "forbidden",
            "Method not found: the token's scopes cover tools alone.",
            rpc_code=METHOD_NOT_FOUND,
            id=message.id,
        )
    name = params.get("name")
    if message.method == "tools/call" and not (isinstance(name, str) and scopes.tool(name)):
        raise Rejection(
            400 if stateless else 200,
            "forbidden",
            f"Unknown tool: {redact(str(name))[:100]}",
            rpc_code=INVALID_PARAMS,
            id=message.id,
        )


def _listens_to_tools(method: str, params: dict[str, Any]) -> bool:
    """Whether it asks for no other news than that the list of tools has changed."""
    if method != "subscriptions/listen":
        return True
    wanted = params.get("notifications", {})
    return isinstance(wanted, dict) and wanted.keys() <= {"toolsListChanged"}


def _is_stateless(fields: list[tuple[bytes, bytes]]) -> bool:
    revision = only(fields, VERSION)
    return revision is not None and is_stateless(revision)


def narrowed(message: bytes, scopes: Scopes) -> bytes:
    """A message of the function, or several, with what the token covers alone of its tools.

    By its shape, not by what was asked: a stream that is resumed may bring any answer again.

    Raises:
        ValueError: it is no JSON, so that nobody can say what it holds.
    """
    try:
        value = parse(message)
    except JSONError:
        raise ValueError("not JSON") from None
    several = value if isinstance(value, list) else [value]
    changed = [_narrow(each, scopes) for each in several if isinstance(each, dict)]
    return dump(value) if any(changed) else message


def _narrow(message: dict[str, Any], scopes: Scopes) -> bool:
    """Narrow one message in place; whether it was changed."""
    result = message.get("result")
    if not isinstance(result, dict):
        return False
    before = (result.get("tools"), result.get("capabilities"))
    if "tools" in result:
        tools = result["tools"] if isinstance(result["tools"], list) else []
        result["tools"] = [tool for tool in tools if _is_covered(tool, scopes)]
    if isinstance(result.get("capabilities"), dict):
        said = result["capabilities"]
        result["capabilities"] = {key: said[key] for key in said if key in CAPABILITIES}
    return before != (result.get("tools"), result.get("capabilities"))


def _is_covered(tool: Any, scopes: Scopes) -> bool:
    name = tool.get("name") if isinstance(tool, dict) else None
    return isinstance(name, str) and scopes.tool(name)


class NarrowedEvents:
    """An event stream (HTML §9.2.6) of messages, each narrowed as it comes.

    Comments and fields for reconnecting go on as they are; an event whose data is not JSON does
    not.
    """

    def __init__(self, scopes: Scopes, limit: int) -> None:
        """Args: limit: bytes of one event."""
        self._scopes = scopes
        self._limit = limit
        self._partial = b""
        self._started = False
        self._fields: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> bytes:
        """What may be sent on now that this piece has come; raises ValueError over the limit."""
        text = self._partial + piece
        # A CR at the end may be half of a CRLF.
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(text.removesuffix(held))
        self._partial = rest + held
        if self._size + len(self._partial) > self._limit:
            raise ValueError("the event is over the limit")
        return b"".join(map(self._line, lines))

    def _line(self, line: bytes) -> bytes:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if line.startswith(b":"):
            return line + b"\n\n" if not (self._fields or self._data) else b""
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        self._size += len(line)
        if self._size > self._limit:
            raise ValueError("the event is over the limit")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        elif name in (b"id", b"event", b"retry"):
            self._fields.append(line)
        return b""

    def _dispatch(self) -> bytes:
        lines = [*self._fields, *self._narrowed()]
        self._fields, self._data, self._size = [], [], 0
        return b"\n".join((*lines, b"", b"")) if lines else b""

    def _narrowed(self) -> list[bytes]:
        if not self._data:
            return []
        data = b"\n".join(self._data)
        try:
            shown = narrowed(data, self._scopes) if data.strip() else data
        except ValueError:
            return []
        return [b"data: " + part for part in shown.split(b"\n")]
