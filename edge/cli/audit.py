"""`jelou audit`: who changed what, when and from where."""

from collections.abc import Iterator

import click

from edge.admin.audit_operations import RECORDS, RECORDS_AT_ONCE, AuditRecord, AuditVerdict
from edge.admin.errors import AdminError
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration
from edge.cli.group import command, session


@command("audit")
@click.argument("slug", required=False)
@click.option(
    "--since", type=Duration(), metavar="7d", help="Only what was done that long ago or less."
)
@click.option(
    "--limit",
    type=click.IntRange(1, RECORDS_AT_ONCE),
    metavar="N",
    help=f"How many records, the newest (default {RECORDS}).",
)
@click.option("--before", type=click.IntRange(1), metavar="NUMBER", help="Only older ones.")
@click.option("--verify", is_flag=True, help="Check that no record was altered, instead.")
@session
def audit(
    session: Session,
    slug: str | None,
    since: float | None,
    limit: int | None,
    before: int | None,
    verify: bool,
) -> None:
    """Show who changed what, when and from where, the newest last; of one function with SLUG.

    With --verify the exit code is 1 where the trail is not what was written.
    """
    operations = session.operations()
    if verify:
        _verify(session, operations.verify_audit())
        return
    within = None if since is None else max(1, round(since))
    session.show(operations.audit(slug, within, limit, before), _table)


def _verify(session: Session, verdict: AuditVerdict) -> None:
    if not verdict.intact:
        raise AdminError("VALIDATION_ERROR", f"The audit trail is broken at {_place(verdict)}")
    session.show(verdict, _whole)


def _place(verdict: AuditVerdict) -> str:
    return f"record {verdict.broken}: {verdict.why}"


def _whole(verdict: AuditVerdict) -> Iterator[str]:
    yield output.done(f"{verdict.records} records, none altered")
    yield from output.fields([("Last", str(verdict.last)), ("Hash", verdict.hash)])
    if verdict.unsealed:
        last = f"The last {verdict.unsealed} are not in the head file, so they prove nothing"
        yield output.warning(last)


def _table(found: tuple[AuditRecord, ...]) -> list[str]:
    columns = ["Number", "When", "Who", "From", "What", "Function", "Which", "Detail"]
    return output.table(columns, (_row(record) for record in reversed(found)))


def _row(record: AuditRecord) -> list[str]:
    which = " ".join(part for part in (record.subject, record.name) if part)
    detail = ", ".join(f"{key}={_short(value)}" for key, value in record.detail.items() if value)
    return [
        str(record.number),
        output.moment(record.at),
        record.actor,
        record.address,
        record.event,
        record.function or "",
        which,
        detail,
    ]


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}:{count}" for key, count in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
