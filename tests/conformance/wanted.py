"""What the conformance suite asks of a server by name: tools, their schemas and their answers.

Both servers that it is run against say the same: the SDK's (`everything`) and the plain HTTP
function (`function`).
"""

import base64
import struct
import zlib
from typing import Any

Result = dict[str, Any]

OBJECT: dict[str, Any] = {"type": "object"}

SCHEMAS: dict[str, dict[str, Any]] = {
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
    "test_x_mcp_header": {
        "type": "object",
        "properties": {
            "region": {
                "type": "string",
                "description": "Also sent as the header Mcp-Param-Region",
                "x-mcp-header": "Region",
            }
        },
    },
}
"""Input schemas of the tools that have arguments."""


def png() -> bytes:
    """One red pixel (PNG, RFC 2083)."""
    size = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\xff\x00\x00")
    chunks = ((b"IHDR", size), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def wav() -> bytes:
    """One silent sample at 8 kHz (RIFF WAVE)."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    data = b"data" + struct.pack("<I", 2) + b"\0\0"
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def text(said: str) -> Result:
    """A result of one text."""
    return {"content": [{"type": "text", "text": said}]}


IMAGE = {"type": "image", "data": base64.b64encode(png()).decode(), "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": base64.b64encode(wav()).decode(), "mimeType": "audio/wav"}
SIMPLE = "This is a simple text response for testing."
MISTAKE = "This tool intentionally returns an error for testing"
EMBEDDED = {
    "type": "resource",
    "resource": {
        "uri": "test://embedded-resource",
        "mimeType": "text/plain",
        "text": "This is an embedded resource content.",
    },
}
MIXED = {
    "type": "resource",
    "resource": {
        "uri": "test://mixed-content-resource",
        "mimeType": "application/json",
        "text": '{"test":"data","value":123}',
    },
}

RESULTS: dict[str, Result] = {
    "test_simple_text": text(SIMPLE),
    "test_image_content": {"content": [IMAGE]},
    "test_audio_content": {"content": [AUDIO]},
    "test_embedded_resource": {"content": [EMBEDDED]},
    "test_multiple_content_types": {
        "content": [{"type": "text", "text": "Multiple content types test:"}, IMAGE, MIXED]
    },
    "test_error_handling": {**text(MISTAKE), "isError": True},
    "test_logging_tool": text("Nothing is logged that was not asked for."),
    "json_schema_2020_12_tool": text("The schema is what matters."),
}
"""Tools that always say the same."""

PROGRESS = (0, 50, 100)
"""What `test_tool_with_progress` reports, of 100."""

PROGRESS_PAUSE = 0.05
"""Seconds between two reports."""
