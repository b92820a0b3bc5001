"""`jelou backup` and `jelou restore`: all of an edge in one file, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from edge.admin import socket as admin_socket
from edge.admin.backing_up import Backup, back_up
from edge.admin.errors import AdminError
from edge.admin.restoring import Question, Restored, restore
from edge.admin.translation import explained
from edge.cli import output
from edge.cli.context import Session
from edge.cli.group import command, session
from edge.code.limits import readable
from edge.config import ADMIN_SOCKET
from edge.version import VERSION
from tokens.copies import Known

_SHOWN = 20


@command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@session
def backup(session: Session, file: Path) -> None:
    """Write all that an edge has into one file, while it runs.

    Functions, their versions and code, tokens, secrets, schedules and their runs, and the keys. Not
    in it: functions' logs. Who has the file can read every secret: keep it like one.
    """
    directory = _here(session, "A backup is made")
    if file.exists():
        session.confirm(f"Replace {file}?")
    with _told("The backup cannot be made"):
        made = back_up(directory.absolute(), file.absolute(), VERSION)
    session.show(made, _backed_up)


@command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@session
def restore_(session: Session, file: Path) -> None:
    """Put a backup in place of what a stopped edge has.

    What was revoked or rotated out since the backup stays so, as far as the store that is replaced
    can be read; tokens of which nobody can say are listed and asked about. Nothing is changed
    unless the whole backup is good. The former store is kept aside.
    """
    directory = _here(session, "A backup is restored")
    _not_running(directory)
    if not file.is_file():
        raise AdminError("NOT_FOUND", f"There is no backup {file}")

    def ask(question: Question) -> None:
        _ask(session, directory, question)

    with _told("The backup cannot be restored"):
        done = restore(session.config(), file.absolute(), VERSION, ask)
    session.show(done, _restored)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say which file the system refuses."""
    try:
        with explained():
            yield
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise AdminError("API_ERROR", f"{what}: {place}{error.strerror or error}") from None


def _here(session: Session, what: str) -> Path:
    directory = session.target().directory
    if directory is None:
        raise AdminError("FORBIDDEN", f"{what} on the edge's own machine")
    return directory


def _not_running(directory: Path) -> None:
    """Say at once what the store's lock would say after a while."""
    try:
        admin_socket.connect(directory / ADMIN_SOCKET, timeout=5.0).close()
    except (OSError, admin_socket.NotOurs):
        return
    raise AdminError(
        "INPUT_ERROR", f"An edge runs on {directory}; stop it, restore, and start it again"
    )


def _ask(session: Session, directory: Path, question: Question) -> None:
    """Ask before a store is replaced, or tokens are good again whatever became of them since."""
    found, moment = question.revived, output.moment(question.created)
    if found and not session.given.yes:
        unsaid = f"No store says what became of these since the backup of {moment}:"
        session.out.lines([output.warning(unsaid), *_tokens(found)], err=True)
        session.confirm(f"Restore it, with {_count(len(found), 'token')} good again?")
    elif question.replaces:
        session.confirm(f"Replace what is in {directory} with the backup of {moment}?")


def _tokens(found: Sequence[Known]) -> list[str]:
    rows = [[token.id, _where(token), token.name, token.prefix] for token in found[:_SHOWN]]
    lines = output.table(["Id", "Function", "Name", "Prefix"], rows)
    more = len(found) - _SHOWN
    return lines if more <= 0 else [*lines, f"▸ and {more} more (--json shows all)"]


def _where(token: Known) -> str:
    return token.function if token.function is not None else "(access token)"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _backed_up(made: Backup) -> Iterator[str]:
    yield output.done("Backed up")
    yield from output.fields(
        [
            ("File", made.file),
            ("Size", readable(made.size)),
            ("As of", output.moment(made.created)),
            ("Holds", f"the store, the keys, {_count(made.code, 'version')} of code"),
        ]
    )
    yield output.warning("It holds keys and secrets: keep it as you keep those.")


def _restored(done: Restored) -> Iterator[str]:
    yield output.done(f"Restored the backup of {output.moment(done.created)}")
    rows = [("Functions", str(done.functions)), ("Revoked since", f"{done.revoked}, and stay so")]
    if done.kept is not None:
        rows.append(("Former store", f"{done.kept} (remove it once all is well)"))
    yield from output.fields(rows)
    if done.revived:
        yield output.warning(f"Good again: {_count(len(done.revived), 'token')}")
        yield from _tokens(done.revived)
    if done.gone:
        yield output.warning(f"Gone, as made since: {_count(len(done.gone), 'token')}")
        yield from _tokens(done.gone)
    yield "▸ Start the edge: jelou serve"
