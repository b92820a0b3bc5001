"""`jelou access`: who may manage this edge from elsewhere."""

from collections.abc import Iterator

import click

from edge.admin.token_operations import AccessInfo, NewAccess, Revoked
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration
from edge.cli.group import command, group, session


@group("access")
def access() -> None:
    """Access tokens (jfn_pat_…): who may manage this edge from elsewhere.

    They are made on the edge's machine and used with `jelou login`.
    """


@command("create")
@click.option("--name", required=True, help="Whom the token is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="What it may do: read, audit, deploy, tokens, secrets or all (repeatable; default all).",
)
@click.option("--expires", type=Duration(), metavar="90d", help="When it ends (default never).")
@session
def create(session: Session, name: str, scopes: tuple[str, ...], expires: float | None) -> None:
    """Create an access token and show it once."""
    operations = session.token_operations()
    made = operations.create_access(name, scopes=scopes, expires_in=expires)
    session.show(made, _created)


@command("list")
@session
def list_(session: Session) -> None:
    """List access tokens; never their secrets."""
    session.show(session.token_operations().access_tokens(), _table)


@command("revoke")
@click.argument("token", metavar="ID")
@session
def revoke(session: Session, token: str) -> None:
    """End an access token; ID is its id or its name."""
    session.confirm(f"Revoke access token {token}?")
    session.show(session.token_operations().revoke_access(token), _revoked)


for _command in (create, list_, revoke):
    access.add_command(_command)


def _created(made: NewAccess) -> Iterator[str]:
    yield output.done(f'Created access token "{made.name}"')
    yield output.secret(made.token)
    yield output.warning("Save this token now — it will not be shown again.")


def _table(found: tuple[AccessInfo, ...]) -> list[str]:
    columns = ["Id", "Name", "Scopes", "Last Used", "Created", "Expires"]
    return output.table(columns, (_row(token) for token in found))


def _row(token: AccessInfo) -> list[str]:
    times = (token.last_used, token.created, token.expires)
    scopes = " ".join(token.scopes) or "all"
    return [token.id, token.name, scopes, *(output.moment(time) for time in times)]


def _revoked(_: Revoked) -> Iterator[str]:
    yield output.done("Access token revoked")
