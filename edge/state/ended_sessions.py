"""MCP sessions ended before their age was out: in the store and in every worker's memory.

Ending one raises the generation like any change of who may do what, so it bites at once everywhere.
"""

from collections import OrderedDict
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


def index_ended_sessions(schema: Any) -> None:
    """Those whose age is out are found among however many."""
    schema.table("ended_sessions").create_index(["until"])


STEPS: tuple[Migration, ...] = (create_ended_sessions, index_ended_sessions)


class StoredEndedSessions:
    """Fulfils `mcp_bridge.session.EndedSessions`; `clock` gives Unix seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        database.migrate(SET, STEPS)
        self._database = database
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self.reload()

    def ended(self, nonce: str) -> bool:
        """See EndedSessions."""
        return nonce in self._until

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
        self._until[nonce] = until

    def heard(self, nonce: str) -> None:
        """A worker has ended it; raises StoreError."""
        query = "SELECT until FROM ended_sessions WHERE nonce = ?"
        for (until,) in self._database.rows(query, (nonce,)):
            self._until[nonce] = until

    def forget_old(self) -> None:
        """Drop those whose age is out.

        In the order in which they were ended, so that none but those is looked at. One that was
        ended young keeps those behind it, for as long as a session lives at most.
        """
        now = self._clock()
        while self._until:
            nonce, until = next(iter(self._until.items()))
            if until > now:
                return
            self._until.pop(nonce, None)

    def reload(self) -> None:
        """Read them all again, after changes that are not known one by one; raises StoreError."""
        query = "SELECT nonce, until FROM ended_sessions ORDER BY until"
        self._until = OrderedDict(self._database.rows(query))
