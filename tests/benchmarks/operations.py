"""The function of the MCP scenarios as an OpenAPI document: its operations are the tools. Pure."""

import json
from typing import Any

TOOL = "create_order"
"""The operation that is called: a `POST` of a small JSON object, which answers 192 bytes."""

TARGET = "/v1/orders"

_BODY = {
    "type": "object",
    "properties": {
        "customer": {"type": "integer", "minimum": 0, "description": "The customer's number"},
        "phone": {"type": "string", "maxLength": 20, "description": "As +593987654321"},
        "note": {"type": "string", "maxLength": 400, "description": "For whoever packs it"},
    },
    "required": ["customer", "phone"],
}
_ANSWERS = {"200": {"description": "The order, with its customer"}}


def document(count: int, upstream: int) -> str:
    """An OpenAPI 3.1 document, JSON, of so many operations at this port of 127.0.0.1."""
    paths: dict[str, Any] = {TARGET: {"post": _order()}}
    paths |= {f"/v1/lists/{n}/{{id}}": {"get": _entry(n)} for n in range(1, count)}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Orders", "version": "1.0.0", "description": "Orders and lists"},
        "servers": [{"url": f"http://127.0.0.1:{upstream}"}],
        "paths": paths,
    }
    return json.dumps(whole)


def tools(count: int) -> list[dict[str, Any]]:
    """The same operations as MCP tools, for gateways that read no OpenAPI document."""
    entries = [
        {
            "name": f"get_entry_{n}",
            "description": _entry(n)["description"],
            "path": f"/v1/lists/{n}/{{id}}",
            "method": "GET",
            "inputSchema": {
                "type": "object",
                "properties": {each["name"]: each["schema"] for each in _entry(n)["parameters"]},
                "required": ["id"],
            },
        }
        for n in range(1, count)
    ]
    order = {"name": TOOL, "path": TARGET, "method": "POST", "inputSchema": _BODY}
    return [{**order, "description": _order()["description"]}, *entries]


def _order() -> dict[str, Any]:
    return {
        "operationId": TOOL,
        "summary": "Create an order",
        "description": "Creates an order for a customer and tells what it costs and when it comes.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
        "responses": _ANSWERS,
    }


def _entry(number: int) -> dict[str, Any]:
    return {
        "operationId": f"get_entry_{number}",
        "summary": f"Get an entry of list {number}",
        "description": f"Finds one entry of list {number} by its id, and what belongs to it.",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}},
            {"name": "city", "in": "query", "schema": {"type": "string", "maxLength": 80}},
        ],
        "responses": _ANSWERS,
    }
