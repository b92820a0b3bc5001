"""An OpenAPI document as a checked JSON object, and how a pointer finds its way in it. Pure.

It says where a document is broken; what its operations mean is `openapi`'s.
"""

import re
from typing import Any
from urllib.parse import unquote

from mcp_bridge.jsontext import JSONError, parse

MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes of a document; GitHub's has 13 million."""

MAX_DESCRIPTION = 1024
"""Characters of a description of a tool or an argument."""

_SUPPORTED = re.compile(r"3\.[012]\.\d+.*")
_MISSING = object()


class DocumentError(ValueError):
    """A document that no tool can be made from.

    Attributes:
        message: what is wrong and what to write.
        line, column: where, counted from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


def load(data: bytes) -> dict[str, Any]:
    """A document as a JSON object that says it is OpenAPI 3.0, 3.1 or 3.2.

    Raises:
        DocumentError: it is too large, not JSON, too deep, or not OpenAPI 3.x.
    """
    if len(data) > MAX_DOCUMENT:
        raise DocumentError(f"The document has {len(data)} bytes; the limit is {MAX_DOCUMENT}.")
    try:
        value = parse(data.removeprefix(b"\xef\xbb\xbf"))
    except JSONError as problem:
        raise DocumentError(_explain(data, problem), problem.line, problem.column) from None
    if not isinstance(value, dict):
        raise DocumentError("The document is not a JSON object.")
    _check_version(value)
    if not isinstance(value.get("paths", {}), dict):
        raise DocumentError('"paths" is not an object; write "paths": {"/path": {…}}.')
    return value


def is_legacy(document: dict[str, Any]) -> bool:
    """Whether schemas are written in the dialect of OpenAPI 3.0."""
    return str(document.get("openapi", "")).startswith("3.0.")


def find(document: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901) in URI fragment form, without `#`.

    Raises:
        KeyError: there is none.
    """
    value = document
    for step in pointer.split("/")[1:]:
        value = _step(value, unquote(step).replace("~1", "/").replace("~0", "~"))
        if value is _MISSING:
            raise KeyError(pointer)
    return value


def resolve(document: dict[str, Any], pointer: str) -> tuple[str, Any]:
    """Where a pointer ends and what is there, Reference Objects followed, all of them local.

    Raises:
        ValueError: a reference is external, dangling or goes round in a circle.
    """
    for _ in range(32):
        value = find(document, pointer)
        if not isinstance(value, dict) or "$ref" not in value:
            return pointer, value
        reference = value["$ref"]
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise ValueError(f"the external reference {str(reference)[:200]!r} is not fetched")
        pointer = reference[1:]
        try:
            find(document, pointer)
        except KeyError:
            raise ValueError(f"the reference {reference[:200]!r} names nothing") from None
    raise ValueError("references go round in a circle")


def text_of(value: object) -> str:
    """A text of the document without the space around it; empty if it is none."""
    return value[: 4 * MAX_DESCRIPTION].strip() if isinstance(value, str) else ""


def cut(text: str) -> str:
    """A description of at most 1,024 characters."""
    return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + "…"


def escape(step: str) -> str:
    """A key as a step of a JSON pointer in a URI fragment (RFC 6901 §6)."""
    return step.replace("~", "~0").replace("/", "~1").replace("%", "%25")


def _step(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, _MISSING)
    if isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 9:
        index = int(key)
        return value[index] if index < len(value) else _MISSING
    return _MISSING


def _explain(data: bytes, problem: JSONError) -> str:
    start = data.lstrip()[:1]
    if problem.too_deep:
        return f"The document is {problem.message}."
    if start not in {b"{", b"["} and (b":" in data[:4096] or start == b"#"):
        return "The document is not JSON; YAML is not read here, so publish it as JSON."
    return f"The document is not valid JSON: {problem.message}."


def _check_version(document: dict[str, Any]) -> None:
    version = document.get("openapi")
    if isinstance(version, str) and _SUPPORTED.fullmatch(version):
        return
    if "swagger" in document:
        raise DocumentError("The document is Swagger 2.0; convert it to OpenAPI 3.0 or 3.1.")
    if version is None:
        raise DocumentError('The document has no "openapi" version; write "openapi": "3.1.0".')
    raise DocumentError(f"OpenAPI {str(version)[:40]!r} is not supported; write 3.0.x or 3.1.x.")
