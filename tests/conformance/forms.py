"""What the tools of handshake revisions ask the client for, and the arguments that they take."""

from typing import Any

RESPONSE: dict[str, Any] = {
    "type": "object",
    "properties": {"response": {"type": "string", "description": "User's response"}},
    "required": ["response"],
}

_STATES = ["active", "inactive", "pending"]

DEFAULTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "enum": _STATES, "default": "active"},
        "verified": {"type": "boolean", "description": "Verified", "default": True},
    },
    "required": [],
}
"""A default for every primitive type (SEP-1034)."""


def _titled(**titles: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in titles.items()]


ENUMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": _titled(value1="First", value2="Second", value3="Third"),
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"anyOf": _titled(value1="First", value2="Second", value3="Third")},
        },
    },
    "required": [],
}
"""Every way to write a choice (SEP-1330)."""


def _one(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


ARGUMENTS = {"test_sampling": _one("prompt"), "test_elicitation": _one("message")}
"""By tool."""
