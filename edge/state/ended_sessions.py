"""MCP sessions ended before their age was out: in the store and in every worker's memory.

Ending one raises the generation like any change of who may do what, so it bites at once everywhere.
"""

from collections.abc import Callable
from typing import Any

from tokens.database import Database
from tokens.migrations import Migration

SET = "sessions"
KIND = "session"


def create_ended_sessions(schema: Any) -> None:
    """Nonces of ended sessions; `until` is the Unix time at which their age is out."""
    columns = {"nonce": str, "until": float}
    schema.create_table("ended_sessions", columns, pk="nonce", not_null={"until"})


STEPS: tuple[Migration, ...] = (create_ended_sessions,)


class StoredEndedSessions:
    """Fulfils `mcp_bridge.session.EndedSessions`; `clock` gives Unix seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        database.migrate(SET, STEPS)
        self._database = database
        self._clock = clock
        self._nonces: set[str] = set()
        self.reload()

    def ended(self, nonce: str) -> bool:
        """See EndedSessions."""
        return nonce in self._nonces

    def end(self, nonce: str, until: float) -> None:
        """See EndedSessions; those whose age is out are forgotten on the way."""
        with self._database.write() as write:
            write.connection.execute(
                "DELETE FROM ended_sessions WHERE until <= ?", (self._clock(),)
            )
            write.connection.execute(
                "INSERT OR IGNORE INTO ended_sessions (nonce, until) VALUES (?, ?)",
                (nonce, until),
            )
            write.changed(KIND, nonce)
        self._nonces.add(nonce)

    def heard(self, nonce: str) -> None:
        """Another worker has ended it."""
        self._nonces.add(nonce)

    def reload(self) -> None:
        """Read them all again, after changes that are not known one by one."""
        rows = self._database.rows("SELECT nonce FROM ended_sessions")
        self._nonces = {row[0] for row in rows}
