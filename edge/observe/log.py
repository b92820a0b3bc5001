"""The edge's own errors on stderr, one JSON line each, with nothing secret in it."""

import sys
import traceback
from datetime import UTC, datetime

import orjson

from tokens.secret import redact


def log_error(error: BaseException, request_id: bytes) -> None:
    """Write down an error that is the edge's own fault."""
    line = {
        "time": datetime.now(UTC).isoformat(),
        "event": "internal_error",
        "requestId": request_id.decode("latin-1"),
        "error": redact("".join(traceback.format_exception(error))),
    }
    sys.stderr.buffer.write(orjson.dumps(line) + b"\n")
    sys.stderr.flush()
