"""Every error of managing the edge: code, HTTP status, whether a retry helps. Declared once. Pure.

The codes are the platform's, but TOOLS_CHANGED, for which it has no case; the command line, the
management API and its client share them.
"""

from typing import Any, Literal

from tokens.secret import redact

Code = Literal[
    "MISSING_AUTH",
    "AUTH_ERROR",
    "FORBIDDEN",
    "NOT_FOUND",
    "INPUT_ERROR",
    "VALIDATION_ERROR",
    "TOOLS_CHANGED",
    "MISSING_FUNCTIONS_PROJECT",
    "API_ERROR",
    "NETWORK_ERROR",
    "TRANSIENT_ERROR",
    "UNKNOWN_ERROR",
]

STATUSES: dict[Code, int] = {
    "MISSING_AUTH": 401,
    "AUTH_ERROR": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "INPUT_ERROR": 400,
    "VALIDATION_ERROR": 422,
    "TOOLS_CHANGED": 409,
    "MISSING_FUNCTIONS_PROJECT": 400,
    "API_ERROR": 502,
    "NETWORK_ERROR": 502,
    "TRANSIENT_ERROR": 503,
    "UNKNOWN_ERROR": 500,
}
"""The HTTP status (RFC 9110 §15) that the management API answers each code with."""

RETRYABLE: frozenset[Code] = frozenset({"NETWORK_ERROR", "TRANSIENT_ERROR"})
"""Codes whose call may succeed later with nothing changed."""


class AdminError(Exception):
    """A management call that was refused or failed; nothing was changed.

    Attributes:
        code: one of the table.
        message: what went wrong and what to do, for a person; tokens in it are blacked out.
        status: HTTP status, the code's unless the case has a better one.
    """

    def __init__(self, code: Code, message: str, *, status: int | None = None) -> None:
        self.code: Code = code
        self.message = redact(message)
        super().__init__(self.message)
        self.status = status or STATUSES[code]


def failure(error: AdminError) -> dict[str, Any]:
    """The JSON of an error, in the management API and with `--json` alike."""
    fields: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.code in RETRYABLE:
        fields["retryable"] = True
    return {"ok": False, "error": fields}
