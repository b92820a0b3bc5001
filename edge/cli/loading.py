"""The one place where something is imported late: what a command needs only if it runs."""

import importlib
from typing import Any

STORE = "edge.admin.opening:open_store"
"""All operations on a store, needed only while no edge runs."""

TOKENS = "edge.admin.stores:open_tokens"
"""The token operations alone, which start three times as fast."""


def load(address: str) -> Any:
    """What stands at `module:attribute`, imported now."""
    module, _, attribute = address.partition(":")
    return getattr(importlib.import_module(module), attribute)
