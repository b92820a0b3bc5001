"""`jelou status`: how the edge is, on one screen."""

from collections.abc import Iterator

from edge.admin.status_operations import EdgeStatus
from edge.cli import output
from edge.cli.context import Session
from edge.cli.group import command, session
from edge.code.limits import readable

_SHOWN = 5


@command("status")
@session
def status(session: Session) -> None:
    """Show whether an edge runs, its workers, its functions by state, and its last errors."""
    session.show(session.operations().status(), _lines)


def _lines(found: EdgeStatus) -> Iterator[str]:
    yield _first(found)
    rows = [
        ("Version", found.version),
        ("URL", found.url),
        ("Functions", _functions(found)),
        ("Store", f"{readable(found.store_bytes)}, generation {found.generation}"),
    ]
    yield from output.fields(rows)
    if found.workers:
        yield from output.table(
            ["Worker", "Process", "Up since", "Generation"],
            [
                [str(each.slot), str(each.pid), output.moment(each.since), str(each.generation)]
                for each in found.workers
            ],
        )
    for slot in found.silent:
        yield output.warning(f"Worker {slot} does not answer")
    for failing in found.failing[:_SHOWN]:
        reason = f": {failing.reason}" if failing.reason else ""
        yield output.warning(f"{failing.slug} is {failing.state}{reason}")
    if len(found.failing) > _SHOWN:
        yield output.warning(f"and {len(found.failing) - _SHOWN} more functions")
    for error in found.errors:
        yield output.warning(f"{output.moment(error.at)}, worker {error.worker}: {error.error}")


def _first(found: EdgeStatus) -> str:
    if found.running:
        return output.done(f"An edge runs since {output.moment(found.since)}")
    return output.warning("No edge is running; start it with: jelou serve")


def _functions(found: EdgeStatus) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    return f"{found.functions} ({states})" if states else "none"
