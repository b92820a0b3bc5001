"""Trace context of an MCP call (SEP-414) as header fields (W3C Trace Context). Pure."""

import re
from collections.abc import Mapping
from typing import Any

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


def trace_fields(meta: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """`traceparent`, and `tracestate` with it, from a request's `_meta`; nothing if not valid."""
    parent, state = meta.get("traceparent"), meta.get("tracestate")
    if not isinstance(parent, str) or _PARENT.fullmatch(parent) is None:
        return []
    fields = [(b"traceparent", parent.encode("ascii"))]
    if isinstance(state, str) and _STATE.fullmatch(state):
        fields.append((b"tracestate", state.encode("ascii")))
    return fields
