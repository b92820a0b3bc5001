"""From a request to the value that a function's input is checked against. Pure.

A body is JSON, or a form; without one, for `GET`, `HEAD` and `DELETE`, the query is the input.
Parameters of the path never are: they are in `ctx.params`.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from edge.sdk.requests import Request
from edge.sdk.shapes import JSON, Detail, Invalid
from mcp_bridge.document import find
from mcp_bridge.jsontext import JSONError, parse

MAX_FIELDS = 1_000
"""Fields of a form."""

QUERY_METHODS = ("GET", "HEAD", "DELETE")
"""Those whose input is the query."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False}
_MAX_CHOICES = 50
_FORM = "application/x-www-form-urlencoded"


def raw_input(request: Request, schema: JSON | None) -> Any:
    """The input of a request before it is checked.

    Args:
        schema: of the input; None if anything goes, then text and bytes stay what they are.

    Raises:
        Invalid: the body should be JSON and is not.
    """
    essence = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not request.body:
        if request.method in QUERY_METHODS:
            return from_pairs(request.query, schema)
        return None if schema is None else {}
    if essence == _FORM and not request.body.lstrip().startswith((b"{", b"[")):
        return from_pairs(_form(request.text()), schema)
    if schema is None and not is_json(essence) and essence != _FORM:
        return _taken(request, essence)
    return _parsed(request.body)


def _form(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        said = f"The form has more than {MAX_FIELDS} fields"
        raise Invalid([Detail((), said, "too_much")]) from None


def _taken(request: Request, essence: str) -> Any:
    """A body as it is; one that does not say what it is may be JSON."""
    if essence:
        return request.text() if essence.startswith("text/") else request.body
    try:
        return parse(request.body)
    except JSONError:
        return request.body


def is_json(essence: str) -> bool:
    """Whether a media type is JSON (RFC 6839 §3.1)."""
    return essence == "application/json" or essence.endswith("+json")


def _parsed(body: bytes) -> Any:
    try:
        return parse(body)
    except JSONError as problem:
        place = f"line {problem.line}, column {problem.column}"
        said = f"The body is not JSON: {problem.message} ({place})"
        raise Invalid([Detail((), said, "invalid_json")]) from None


def from_pairs(pairs: list[tuple[str, str]], schema: JSON | None) -> JSON:
    """Parameters as an object: texts read as what the schema wants, repeated ones as lists."""
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return {name: _value(name, texts, schema or {}) for name, texts in gathered.items()}


def _value(name: str, texts: list[str], schema: JSON) -> Any:
    wanted = _property(schema, name)
    types = _types(wanted, schema)
    if "array" in types and (len(texts) > 1 or not types & {"string", "integer", "number"}):
        of_items = _types(_items(wanted, schema), schema)
        return [_scalar(text, of_items) for text in texts]
    return _scalar(texts[0], types) if len(texts) == 1 else texts


def _scalar(text: str, types: frozenset[str]) -> Any:
    if "string" in types:
        return text
    if types & {"integer", "number"} and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    return _WORDS.get(text, text) if "boolean" in types else text


def _property(schema: JSON, name: str) -> Any:
    for each in _choices(schema, schema):
        properties = each.get("properties")
        if isinstance(properties, dict) and name in properties:
            return properties[name]
    return {}


def _items(schema: Any, root: JSON) -> Any:
    return next((each["items"] for each in _choices(schema, root) if "items" in each), {})


def _types(schema: Any, root: JSON) -> frozenset[str]:
    """The types that a schema allows, as far as it says so."""
    found: set[str] = set()
    for each in _choices(schema, root):
        said = each.get("type", [])
        found |= {said} if isinstance(said, str) else {one for one in said if isinstance(one, str)}
    return frozenset(found)


def _choices(schema: Any, root: JSON) -> list[JSON]:
    """A schema and all that it refers to or chooses from, without what lies inside values."""
    found: list[JSON] = []
    waiting = [schema]
    while waiting and len(found) < _MAX_CHOICES:
        each = waiting.pop()
        if not isinstance(each, dict) or any(each is known for known in found):
            continue
        found.append(each)
        reference = each.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            waiting.append(_referred(root, reference[1:]))
        for key in ("anyOf", "oneOf", "allOf"):
            more = each.get(key)
            waiting += more if isinstance(more, list) else []
    return found


def _referred(root: JSON, pointer: str) -> Any:
    try:
        return find(root, pointer)
    except LookupError:
        return None
