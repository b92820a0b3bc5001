"""Server-sent events as `/mcp` writes them (WHATWG HTML §9.2; MCP, Streamable HTTP). Pure."""

FIELDS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
"""Of every answer that is a stream: nothing on its way shall hold it back."""

COMMENT = b": keep-alive\n\n"
"""Says nothing, so that nobody on the way takes the stream for dead."""


def event(message: bytes, event_id: str = "") -> bytes:
    """A JSON-RPC message, or nothing at all, as one event; JSON on one line has no line ends."""
    named = f"id: {event_id}\n".encode() if event_id else b""
    return b"event: message\n%bdata: %b\n\n" % (named, message)


def opening(event_id: str) -> bytes:
    """An event without a message, so that a client that reconnects can say where it was."""
    return f"id: {event_id}\ndata:\n\n".encode()
