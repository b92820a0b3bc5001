"""What an edge makes up once for its data directory and then keeps: its name and its keys."""

import time
from collections.abc import Callable
from pathlib import Path

from edge.keys import KeyFile, ensure
from tokens.generation import create_once

SESSION_KEYS = "mcp-session-keys.json"
"""The keys that MCP session ids are signed with."""

SEALING_KEYS = "mcp-sealing-keys.json"
"""The keys of what the edge hands to clients sealed, to get it back."""


EDGE_ID = "edge-id"
"""The edge's name for itself."""


def edge_id(data_dir: Path, random: Callable[[int], bytes]) -> str:
    """The id by which the edge knows itself in `Via`: eight hexadecimal characters."""
    path = data_dir / EDGE_ID
    create_once(path, random(4).hex().encode())
    return path.read_text(encoding="ascii")


def session_keys(data_dir: Path, random: Callable[[int], bytes]) -> KeyFile:
    """The keys of session ids. Every worker and node of one edge has the same file; mode 0600.

    Raises:
        KeysError: the file cannot be used.
    """
    return _kept(data_dir / SESSION_KEYS, random)


def sealing_keys(data_dir: Path, random: Callable[[int], bytes]) -> KeyFile:
    """The keys that seal; as `session_keys`."""
    return _kept(data_dir / SEALING_KEYS, random)


def _kept(path: Path, random: Callable[[int], bytes]) -> KeyFile:
    ensure(path, random)
    return KeyFile(path, time.time, time.monotonic)
