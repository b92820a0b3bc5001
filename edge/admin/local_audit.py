"""The audit trail on a store of this machine, directly."""

from edge.admin.audit_operations import RECORDS, RECORDS_AT_ONCE, AuditRecord, AuditVerdict
from edge.admin.errors import AdminError
from edge.admin.translation import explained
from edge.audit.record import Record
from edge.audit.store import AuditTrail
from tokens.database import Database


class LocalAudit:
    """`AuditOperations` on a store; the docstrings are the Protocol's."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database = database
        self._trail = trail

    def audit(
        self,
        function: str | None = None,
        within: int | None = None,
        limit: int | None = None,
        before: int | None = None,
    ) -> tuple[AuditRecord, ...]:
        """See AuditOperations."""
        wanted = RECORDS if limit is None else limit
        if not 1 <= wanted <= RECORDS_AT_ONCE:
            raise AdminError("INPUT_ERROR", f"The limit must be 1 to {RECORDS_AT_ONCE}")
        with explained():
            since = 0.0 if within is None else self._database.clock() - within
            found = self._trail.records(function, since, wanted, before)
        return tuple(_told(record, hash_) for record, hash_ in found)

    def verify_audit(self) -> AuditVerdict:
        """See AuditOperations."""
        with explained():
            found = self._trail.verify()
        known = 0 if found.head is None else found.head.number
        return AuditVerdict(
            intact=found.broken is None,
            records=found.rows,
            first=found.first,
            last=found.last.number,
            hash=found.last.hash.hex(),
            broken=found.broken,
            why=found.why,
            unsealed=max(0, found.last.number - max(known, found.first - 1)),
        )


def _told(record: Record, hash_: bytes) -> AuditRecord:
    actor = record.actor
    return AuditRecord(
        number=record.number,
        at=record.at,
        event=record.event,
        actor=actor.name,
        actor_type=actor.type,
        actor_id=actor.id,
        address=actor.address,
        function=record.function,
        subject=record.subject,
        name=record.name,
        detail=dict(record.detail),
        hash=hash_.hex(),
    )
