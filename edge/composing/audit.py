"""Puts together what one worker records of those whom it refuses; constructor calls, nothing else.

Not here: what is recorded of changes, which is done where they are made.
"""

import time
from dataclasses import dataclass

from edge.admin.failed_logins import FailedLogins
from edge.audit.refused import RefusedTokens
from edge.audit.store import AuditTrail
from edge.audit.watch import Watch
from edge.config import Config
from tokens.database import Database


@dataclass(frozen=True, slots=True)
class ComposedAudit:
    """One worker's.

    Attributes:
        refused: what the gate tells of.
        failed: what the management API tells of.
        watch: writes both down.
    """

    refused: RefusedTokens
    failed: FailedLogins
    watch: Watch


def composed_audit(config: Config, database: Database, slot: int) -> ComposedAudit:
    """The worker in slot 0 also keeps the trail short."""
    refused, failed = RefusedTokens(), FailedLogins()
    kept = config.audit_kept if slot == 0 else None
    watch = Watch(AuditTrail(database), refused, failed.due, time.monotonic, kept)
    return ComposedAudit(refused, failed, watch)
