"""What can be asked of the audit trail: its Protocol, and the values it gives. Pure.

As `edge.admin.operations`, of which it is a part.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from edge.admin.times import Time

RECORDS_AT_ONCE = 1000
"""Records of one answer at most; 100 unless a number is asked for."""
RECORDS = 100


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Something that was done: what, by whom, when, from where.

    Attributes:
        number: from 1, without gaps.
        actor: the user's or the access token's name, or `edge`.
        actor_type: `local`, `access_token`, `edge`, or `unknown` for whom the edge has refused.
        actor_id: of the access token, or None.
        address: an IP address, or `local`.
        function: its slug, `*` for all functions, or None.
        subject: id of the token, access token or deployment that it was done to, or None.
        name: what that is called, or None.
        detail: what else there is to know.
        hash: SHA-256 in hex over the hash of the record before and this one's JSON.
    """

    number: int
    at: Time
    event: str
    actor: str
    actor_type: str
    actor_id: str | None
    address: str
    function: str | None
    subject: str | None
    name: str | None
    detail: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Whether the audit trail is what was written.

    Attributes:
        intact: whether no row was altered, removed, put in or moved.
        records: how many there are.
        first: number of the oldest that is kept.
        last: number of the newest that fits, and its hash; to be noted elsewhere.
        broken: number of the first row that is not what was written, or None.
        why: what is wrong with it, or None.
        unsealed: how many of the last ones the head file does not know of; all, where it is gone.
    """

    intact: bool
    records: int
    first: int
    last: int
    hash: str
    broken: int | None
    why: str | None
    unsealed: int


class AuditOperations(Protocol):
    """The audit trail of an edge. Synchronous; safe in several threads."""

    def audit(
        self,
        function: str | None = None,
        within: int | None = None,
        limit: int | None = None,
        before: int | None = None,
    ) -> tuple[AuditRecord, ...]:
        """What was done, the newest first.

        Args:
            function: what was done to this function alone; it need not be there any more.
            within: of so many seconds before now alone.
            limit: how many at most, up to `RECORDS_AT_ONCE`.
            before: number of a record; older ones alone.
        """
        ...

    def verify_audit(self) -> AuditVerdict:
        """Go along the whole trail and say where it is not what was written."""
        ...
