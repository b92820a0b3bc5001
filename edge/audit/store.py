"""The audit trail in the shared file; its head in a file beside it.

A record is written in the transaction of the change that it tells of: neither is there without the
other. The head is written once that is committed. Old rows go from the start, and a record in the
chain itself says up to which, so that nobody else can take any.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from edge.audit.actor import acting, current
from edge.audit.chain import (
    NOTHING,
    Link,
    Row,
    Verdict,
    continued,
    head_of,
    head_text,
    linked,
    pruned_through,
    verify,
)
from edge.audit.record import EDGE, Actor, Event, Record, canonical, parse
from tokens.database import Database, Write
from tokens.generation import replace_private
from tokens.migrations import Migration

HEAD = "audit-head.json"
"""The file of the head in the data directory."""
SET = "audit"
PIECE = 1000
"""Rows read, and pruned, at a time."""
NOTED_AGAIN = 3600.0
"""Seconds between two records of the same thing going on."""

_LAST = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
_AT = "SELECT hash FROM audit WHERE number = ?"
_NOBODY = (None, None, None)


def create_audit(schema: Any) -> None:
    """Records as canonical JSON, by number; nothing changes one that is written."""
    schema.create_table(
        "audit",
        {"number": int, "record": str, "hash": bytes},
        pk="number",
        not_null={"record", "hash"},
    )
    schema.execute(
        "CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN"
        " SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    )


def create_audit_noted(schema: Any) -> None:
    """When what goes on was recorded last; Unix seconds."""
    columns = {"key": str, "at": float}
    schema.create_table("audit_noted", columns, pk="key", not_null={"at"})


STEPS: tuple[Migration, ...] = (create_audit, create_audit_noted)


class AuditTrail:
    """Every call may raise StoreError; safe in several threads and processes."""

    def __init__(self, database: Database) -> None:
        """Bring the tables up to date."""
        self._database = database
        self._head = database.path.parent / HEAD
        database.migrate(SET, STEPS)

    def note(
        self,
        event: Event,
        *,
        function: str | None = None,
        subject: str | None = None,
        name: str | None = None,
        **detail: Any,
    ) -> None:
        """Record what is being done, by whom `actor.current` says; part of the caller's write."""
        actor = current()
        with self._database.write() as write:
            if not write.is_pending(HEAD):
                self._settle(write)
            self._append(write, self._last(write), event, actor, (function, subject, name), detail)

    def note_once(
        self,
        key: str,
        event: Event,
        *,
        every: float = NOTED_AGAIN,
        **told: Any,
    ) -> bool:
        """Record what goes on, unless that was done less than `every` seconds ago, by anybody.

        Args:
            key: what goes on.
            told: as for `note`.

        Returns:
            Whether it was recorded.
        """
        if self._noted(key, every):
            return False
        with self._database.write() as write:
            if self._noted(key, every):
                return False
            now = self._database.clock()
            write.connection.execute("DELETE FROM audit_noted WHERE at < ?", (now - every,))
            write.connection.execute("REPLACE INTO audit_noted VALUES (?, ?)", (key, now))
            self.note(event, **told)
        return True

    def records(
        self, function: str | None, since: float, limit: int, before: int | None = None
    ) -> list[tuple[Record, bytes]]:
        """The newest records with their hashes, the newest first.

        Args:
            function: a slug, or None for everything.
            since: Unix time, seconds.
            limit: how many at most.
            before: a record's number; older ones only.
        """
        found: list[tuple[Record, bytes]] = []
        for row in self._backwards(before):
            if len(found) >= limit:
                break
            with suppress(ValueError):  # what somebody has put in is for `verify` to tell
                record = parse(row.text)
                if record.at < since:
                    break
                if function in (None, record.function):
                    found.append((record, row.hash))
        return found

    def verify(self) -> Verdict:
        """Whether the trail is what was written; the first row that is not."""
        head = self._read_head()  # first: rows that come meanwhile are behind it
        for _ in range(2):  # once more, since it may be pruned meanwhile
            first = self._database.rows("SELECT min(number) FROM audit")[0][0]
            anchor = self._anchor() if first not in (None, 1) else NOTHING
            verdict = verify(self._forwards(), head, anchor)
            if verdict.broken is None:
                break
        return verdict

    def prune(self, kept: int) -> int:
        """Forget the oldest rows but so many, if there are some more; how many that were."""
        counted = "SELECT count(*), max(number) FROM audit"
        [(count, last)] = self._database.rows(counted)
        if count <= kept + min(PIECE, kept // 10) or self.verify().broken is not None:
            return 0  # evidence is not thrown away
        through = last - kept
        with self._database.write() as write, acting(EDGE):
            row = write.connection.execute(_AT, (through,)).fetchone()
            gone = write.connection.execute("DELETE FROM audit WHERE number <= ?", (through,))
            if gone.rowcount:
                self.note("audit.pruned", through=through, hash=row[0].hex())
            return gone.rowcount

    def _settle(self, write: Write) -> None:
        """Record what is wrong between rows and head, before the head goes on to the next row."""
        last, head = self._last(write), self._read_head()
        if head is None:
            if last != NOTHING:
                self._append(write, last, "audit.head_lost", EDGE, _NOBODY, {})
            return
        row = write.connection.execute(_AT, (head.number,)).fetchone()
        end = continued(last, head, row[0] if row else None)
        if end != last:
            self._append(write, end, "audit.broken", EDGE, _NOBODY, {"through": head.number})
        elif last.number > head.number:
            behind = {"from": head.number + 1, "to": last.number}
            self._append(write, last, "audit.head_behind", EDGE, _NOBODY, behind)

    def _append(
        self,
        write: Write,
        before: Link,
        event: Event,
        actor: Actor,
        about: tuple[str | None, str | None, str | None],
        detail: Mapping[str, Any],
    ) -> None:
        now = self._database.clock()
        record = Record(before.number + 1, now, event, actor, *about, detail=detail)
        text = canonical(record)
        made = Link(record.number, linked(before.hash, text))
        row = (made.number, text.decode(), made.hash)
        write.connection.execute("INSERT INTO audit VALUES (?, ?, ?)", row)
        write.after_commit(HEAD, lambda: self._write_head(made))

    def _last(self, write: Write) -> Link:
        row = write.connection.execute(_LAST).fetchone()
        return Link(*row) if row else NOTHING

    def _read_head(self) -> Link | None:
        try:
            return head_of(self._head.read_bytes())
        except OSError:
            return None

    def _write_head(self, link: Link) -> None:
        # What is committed is acknowledged: a head that lags is caught up with by the next record.
        with suppress(OSError):
            replace_private(self._head, head_text(link))

    def _noted(self, key: str, every: float) -> bool:
        rows = self._database.rows("SELECT at FROM audit_noted WHERE key = ?", (key,))
        return bool(rows) and self._database.clock() - rows[0][0] < every

    def _anchor(self) -> Link:
        """The last row that was pruned, as the newest record of a pruning has it."""
        for row in self._backwards(None):
            with suppress(ValueError):
                found = pruned_through(parse(row.text))
                if found is not None:
                    return found
        return NOTHING

    def _forwards(self) -> Iterator[Row]:
        number = 0
        query = "SELECT number, record, hash FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        while rows := self._database.rows(query, (number, PIECE)):
            yield from (Row(*row) for row in rows)
            number = rows[-1][0]

    def _backwards(self, before: int | None) -> Iterator[Row]:
        number = before if before is not None else 2**62
        query = (
            "SELECT number, record, hash FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
        )
        while rows := self._database.rows(query, (number, PIECE)):
            yield from (Row(*row) for row in rows)
            number = rows[-1][0]
