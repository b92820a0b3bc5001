"""Files of secrets, such as `.env`, found and read."""

import sys
from pathlib import Path

from edge.admin.errors import AdminError
from edge.cli.env_file import BadLine, read_env

LARGEST_FILE = 4 * 1024 * 1024
"""Bytes: four times what one function may have."""


def from_file(source: str) -> dict[str, str]:
    """The secrets that a file sets; `-` is stdin.

    Raises:
        AdminError: INPUT_ERROR; its text has no value in it.
    """
    try:
        if source == "-":
            text = sys.stdin.read(LARGEST_FILE + 1)
        else:
            with Path(source).open(encoding="utf-8") as file:
                text = file.read(LARGEST_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise AdminError("INPUT_ERROR", f"{source} cannot be read: {reason}") from None
    if len(text) > LARGEST_FILE:
        raise AdminError("INPUT_ERROR", f"{source} is too large for a file of secrets")
    try:
        values = read_env(text)
    except BadLine as error:
        raise AdminError("INPUT_ERROR", f"{source}, {error}") from None
    if not values:
        raise AdminError("INPUT_ERROR", f"{source} sets nothing; write KEY=VALUE lines")
    return values
