"""`jelou secrets`: what functions are told and nobody is shown."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import click

from edge.admin.errors import AdminError
from edge.admin.secret_operations import SecretInfo, SecretsChanged
from edge.admin.stores import open_database, usable
from edge.audit.store import AuditTrail
from edge.cli import output
from edge.cli.context import Session
from edge.cli.group import command, group, session
from edge.cli.project_files import slug_here
from edge.cli.secret_files import from_file
from edge.secrets.store import KEYS, SqliteSecrets


@group("secrets")
def secrets() -> None:
    """Secrets: environment variables of a function, and "secret:NAME" in its upstream.headers.

    They are kept encrypted and never shown again. A function need not be deployed yet to have some.
    """


@command("set")
@click.argument("slug")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--from-env",
    "source",
    metavar="FILE",
    help="Set all of a file of KEY=VALUE lines, such as .env; - for stdin.",
)
@session
def set_(session: Session, slug: str, pairs: tuple[str, ...], source: str | None) -> None:
    """Set secrets, or replace them.

    KEY alone asks for the value, which is not shown; so does leaving all out. Other users of the
    machine may see values on a command line while it runs: a file or the question keeps them.
    """
    values = from_file(source) if source is not None else {}
    values |= _from_pairs(session, pairs)
    if not values:
        values = _asked(session)
    _show(session, session.operations().set_secrets(slug, values), _set)


@command("list")
@click.argument("slug", required=False)
@session
def list_(session: Session, slug: str | None) -> None:
    """List the names of a function's secrets; never their values."""
    session.show(session.operations().secrets(slug_here(slug)), _table)


@command("delete")
@click.argument("slug")
@click.argument("key")
@session
def delete(session: Session, slug: str, key: str) -> None:
    """Delete a secret."""
    session.confirm(f"Delete secret {key} of {slug}?")
    _show(session, session.operations().delete_secret(slug, key), _deleted)


@dataclass(frozen=True, slots=True)
class RotatedKey:
    """The file of keys after a rotation, and how many secrets are sealed with the new one."""

    file: str
    secrets: int


@command("rotate-key")
@session
def rotate_key(session: Session) -> None:
    """Seal all secrets with a new key, while the edge runs; on its own machine."""
    directory = session.target().directory
    if directory is None:
        raise AdminError("FORBIDDEN", "Keys are rotated on the edge's own machine")
    with usable(directory), closing(open_database(directory, "open")) as database:
        trail = AuditTrail(database)
        trail.note("secret.key_rotated", file=KEYS)
        count = SqliteSecrets(database).rotate_key(database.clock())
    session.show(RotatedKey(KEYS, count), _rotated)


for _command in (set_, list_, delete, rotate_key):
    secrets.add_command(_command)


def _from_pairs(session: Session, pairs: Sequence[str]) -> dict[str, str]:
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        values[name] = value if equals else _value(session, name)
    return values


def _asked(session: Session) -> dict[str, str]:
    """Names and values until an empty name."""
    _interactive(session)
    values: dict[str, str] = {}
    while name := session.ask("? Key (empty to finish): "):
        values[name] = _value(session, name)
    return values


def _value(session: Session, name: str) -> str:
    _interactive(session)
    value: str = click.prompt(
        f"? Value of {name}", hide_input=True, prompt_suffix=": ", default="", show_default=False
    )
    return value


def _interactive(session: Session) -> None:
    if not session.interactive:
        raise AdminError(
            "INPUT_ERROR", "Nobody can be asked here; write KEY=VALUE, or use --from-env FILE"
        )


def _show(
    session: Session, changed: SecretsChanged, lines: Callable[[SecretsChanged], Iterator[str]]
) -> None:
    session.show(changed, lines)
    if not session.given.json:
        for message in changed.warnings:
            session.out.warn(message)


def _set(changed: SecretsChanged) -> Iterator[str]:
    count = len(changed.names)
    yield output.done(f"Set {count} {'secret' if count == 1 else 'secrets'}")
    if not changed.deployed:
        yield f"{output.ITEM} {changed.function} is not deployed yet; its first deploy gets them"


def _deleted(_: SecretsChanged) -> Iterator[str]:
    yield output.done("Deleted secret")


def _rotated(rotated: RotatedKey) -> Iterator[str]:
    yield output.done(f"Rotated the key; {rotated.secrets} sealed anew")


def _table(found: tuple[SecretInfo, ...]) -> list[str]:
    rows = [[secret.name, output.moment(secret.updated)] for secret in found]
    return output.table(["Name", "Updated"], rows)
