"""`jelou login`, `logout`, `whoami` and `auth`: which edges one manages."""

import getpass
import sys
from collections.abc import Iterator

import click

from edge.admin.client import check_url
from edge.admin.errors import AdminError
from edge.admin.operations import Identity
from edge.cli import output, profiles
from edge.cli.context import Session
from edge.cli.group import command, group, session

LONGEST = 8192


@command("login")
@session
def login(session: Session) -> None:
    """Log in to an edge elsewhere: jelou login --edge URL.

    The access token (`jelou access create` on the edge's machine) comes from a prompt, from stdin,
    or from JELOU_TOKEN if JELOU_EDGE is the same URL. It is kept for that URL alone, under
    --profile NAME (default "default").
    """
    given = session.given.edge or session.environ.get("JELOU_EDGE")
    if not given:
        raise click.UsageError("Which edge? Give its URL: jelou login --edge https://HOST")
    edge, name = check_url(given), session.given.profile or profiles.DEFAULT
    token = _token(session, edge)
    identity = session.remote_operations(edge, token).whoami()
    saved = session.logins().with_profile(profiles.Profile(name, edge, token, identity.name))
    session.save_logins(saved)
    shown = {"profile": name, "edge": edge, "name": identity.name}
    session.show(shown, lambda _: [output.done(f'Saved as profile "{name}"')])


@command("logout")
@click.option("--all", "everywhere", is_flag=True, help="Forget every login.")
@session
def logout(session: Session, everywhere: bool) -> None:
    """Forget the active login, the one of --profile, or all."""
    logins = session.logins()
    if everywhere:
        gone = [profile.name for profile in logins.profiles]
    else:
        name = session.given.profile or logins.active
        if name is None:
            raise AdminError("NOT_FOUND", "Nobody is logged in")
        gone = [logins.named(name).name]
    for name in gone:
        logins = logins.without(name)
    session.save_logins(logins)
    session.show({"removed": gone}, lambda _: [output.done("Logged out")])


@command("whoami")
@session
def whoami(session: Session) -> None:
    """Show which edge commands act on, and as whom."""
    target = session.target()
    identity = session.operations().whoami()
    profile = target.login.name if target.login is not None else None
    session.show(
        {
            "type": identity.type,
            "name": identity.name,
            "edge": identity.edge,
            "profile": profile,
        },
        lambda _: _identity(identity, profile),
    )


@group("auth")
def auth() -> None:
    """Saved logins: list, switch, remove."""


@command("list")
@session
def list_(session: Session) -> None:
    """List saved logins; never their tokens."""
    logins = session.logins()
    rows = [
        {
            "profile": profile.name,
            "edge": profile.edge,
            "identity": profile.identity,
            "active": profile.name == logins.active,
        }
        for profile in logins.profiles
    ]
    session.show(rows, lambda _: _table(logins))


@command("switch")
@click.argument("name")
@session
def switch(session: Session, name: str) -> None:
    """Make a saved login the active one."""
    logins = session.logins().switched(name)
    session.save_logins(logins)
    edge = logins.named(name).edge
    session.show(
        {"profile": name, "edge": edge},
        lambda _: [output.done(f'Switched to profile "{name}" ({edge})')],
    )


@command("remove")
@click.argument("name")
@session
def remove(session: Session, name: str) -> None:
    """Forget a saved login."""
    logins = session.logins().without(name)
    session.confirm(f"Remove profile {name}?")
    session.save_logins(logins)
    session.show({"removed": [name]}, lambda _: [output.done(f'Removed profile "{name}"')])


for _command in (list_, switch, remove):
    auth.add_command(_command)


def _table(logins: profiles.Logins) -> list[str]:
    rows = [
        [p.name, p.edge, p.identity, "yes" if p.name == logins.active else ""]
        for p in logins.profiles
    ]
    return output.table(["Profile", "Edge", "Identity", "Active"], rows)


def _token(session: Session, edge: str) -> str:
    """The access token, never from an argument: those are in the shell's history and in `ps`."""
    from_environment = session.environ.get("JELOU_TOKEN")
    bound_to = session.environ.get("JELOU_EDGE")
    if from_environment and bound_to and check_url(bound_to) == edge:
        token = from_environment
    elif sys.stdin.isatty():
        if session.given.no_input:
            raise AdminError("MISSING_AUTH", "No token: give it on stdin or in JELOU_TOKEN")
        token = getpass.getpass("? Access token: ")
    else:
        token = sys.stdin.readline(LONGEST)
    if not token.strip().isascii() or not token.strip():
        raise AdminError("MISSING_AUTH", "No token was given; it begins with jfn_pat_")
    return token.strip()


def _identity(identity: Identity, profile: str | None) -> Iterator[str]:
    yield from output.fields(
        [
            ("Type", identity.type.replace("_", " ")),
            ("Name", identity.name),
            ("Edge", identity.edge),
            ("Profile", profile or "none"),
        ]
    )
