"""`--token-file`: a file that is made ready before the token exists, so that none is ever lost."""

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.admin.errors import AdminError

_ROOM = 128
"""Bytes kept on the disk for a token and its line end."""


class TokenFile:
    """A draft beside the file, 0600, with room for a token; it becomes the file once written.

    Raises:
        AdminError: on entering, if the file cannot be written; then nothing is to be deployed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draft = path.parent / f".{path.name}.{secrets.token_hex(4)}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            if self.path.is_dir():
                raise IsADirectoryError(21, "it is a directory")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self._descriptor = os.open(self._draft, flags, 0o600)
            # Room on the disk now: a full disk must stop the deploy, not lose the token after it.
            os.write(self._descriptor, b" " * _ROOM)
            os.fsync(self._descriptor)
        except OSError as error:
            self._discard()
            raise AdminError(
                "INPUT_ERROR",
                f"The token file {self.path} cannot be written ({error.strerror}); "
                "nothing was deployed",
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._discard()

    def write(self, token: str) -> None:
        """Put the token in place; OSError if that fails after all."""
        os.pwrite(self._descriptor, f"{token}\n".encode(), 0)
        os.ftruncate(self._descriptor, len(token) + 1)
        os.fsync(self._descriptor)
        self._draft.replace(self.path)

    def _discard(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._draft.unlink(missing_ok=True)
