"""What an edge makes up once for its data directory and then keeps: its name and its keys."""

from collections.abc import Callable
from pathlib import Path

import orjson

from mcp_bridge.session import SessionKey
from tokens.generation import create_once


def edge_id(data_dir: Path, random: Callable[[int], bytes]) -> str:
    """The id by which the edge knows itself in `Via`: eight hexadecimal characters."""
    path = data_dir / "edge-id"
    create_once(path, random(4).hex().encode())
    return path.read_text(encoding="ascii")


def session_keys(data_dir: Path, random: Callable[[int], bytes]) -> tuple[SessionKey, ...]:
    """The keys that MCP session ids are signed with, newest first.

    Every worker and every node of one edge has the same file; mode 0600.
    """
    path = data_dir / "mcp-session-keys.json"
    fresh = {"kid": random(4).hex(), "secret": random(32).hex()}
    create_once(path, orjson.dumps([fresh]))
    keys = orjson.loads(path.read_bytes())
    return tuple(SessionKey(key["kid"], bytes.fromhex(key["secret"])) for key in keys)
