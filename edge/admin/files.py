"""Bodies of the management API that are files: taken in to a file, and given out from one.

Neither is ever in memory as a whole. ASGI, from the server's side.
"""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio.to_thread

from edge.admin.bodies import Receive, pieces

TYPE = "application/gzip"
"""The media type of a file that is given out."""

_BLOCK = 256 * 1024

Send = Callable[[dict[str, Any]], Awaitable[None]]


@contextmanager
def scratch() -> Iterator[Path]:
    """A file of ours alone, which is gone afterwards."""
    descriptor, name = tempfile.mkstemp(prefix="jelou-edge-")
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


async def receive_file(receive: Receive, path: Path, most: int) -> None:
    """Write a request's body to a file.

    Raises:
        AdminError: INPUT_ERROR with 413 if it has more than `most` bytes, or if it breaks off.
    """
    over = f"The body is over {most:,} bytes (code_size, code_files)"
    with path.open("wb") as file:
        async for piece in pieces(receive, most, over):
            await anyio.to_thread.run_sync(file.write, piece)


async def send_file(send: Send, path: Path) -> None:
    """Answer 200 with a file's bytes."""
    size = await anyio.to_thread.run_sync(os.path.getsize, path)
    fields = [
        (b"content-type", TYPE.encode()),
        (b"content-length", str(size).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    with path.open("rb") as file:
        while block := await anyio.to_thread.run_sync(file.read, _BLOCK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
