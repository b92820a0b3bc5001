"""The protocol revisions that `/mcp` speaks, and what tells them apart here. Pure.

The SDK has the same list; a contract test holds the two equal, so that pure code needs no SDK.
"""

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Revisions with `initialize`, oldest first."""

STATELESS = ("2026-07-28",)
"""Revisions where every request stands alone."""


DEFAULT = "2025-03-26"
"""Spoken where neither a header nor a session says (MCP 2025-06-18, Protocol Version Header)."""


def is_known(revision: str) -> bool:
    """Whether this server speaks it."""
    return revision in HANDSHAKE or revision in STATELESS


def is_stateless(revision: str) -> bool:
    """Whether requests of this revision stand alone."""
    return revision in STATELESS


def has_audio(revision: str) -> bool:
    """Whether results may hold audio content."""
    return revision >= "2025-03-26"


def has_structured_content(revision: str) -> bool:
    """Whether tools may have an output schema, and results structured content."""
    return revision >= "2025-06-18"


def has_resource_links(revision: str) -> bool:
    """Whether results may hold links to resources."""
    return revision >= "2025-06-18"
