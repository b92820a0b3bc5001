"""`jelou tokens`: who may call a function."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from edge.admin.errors import AdminError
from edge.admin.token_operations import NewToken, Revoked, TokenInfo, TokenVerdict, all_tokens
from edge.cli import output
from edge.cli.context import Session
from edge.cli.durations import Duration, shown
from edge.cli.group import command, group, session
from edge.cli.project_files import slug_here, slug_of

EDGE_WIDE = "*"
LONGEST = 8192
"""Characters read from stdin for `check`; no token is longer than 4 KB."""


@group("tokens")
def tokens() -> None:
    """Runtime tokens (jfn_rt_…): who may call a function.

    SLUG is the function's, by default that of the project file here; '*' stands for the tokens
    that are good for every function.
    """


@command("create")
@click.argument("slug", required=False)
@click.option("--name", required=True, help="What the token is for; unique in its function.")
@click.option("--expires", type=Duration(), metavar="90d", help="When it ends by itself.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="S",
    help="http, mcp, route:<METHOD> <path> or tool:<name>; repeatable; default everything.",
)
@click.option("--rate", metavar="100/m", help="How often it may call.")
@click.option("--all", "everywhere", is_flag=True, help="Good for every function of the edge.")
@session
def create(
    session: Session,
    slug: str | None,
    name: str,
    expires: float | None,
    scopes: tuple[str, ...],
    rate: str | None,
    everywhere: bool,
) -> None:
    """Create a token and show it once."""
    if everywhere and slug not in (None, EDGE_WIDE):
        raise click.UsageError("--all is for every function; leave SLUG out.")
    function = EDGE_WIDE if everywhere else slug_here(slug)
    made = session.token_operations().create_token(
        function, name, expires_in=expires, scopes=scopes, rate=rate
    )
    session.show(made, _created)


@command("list")
@click.argument("slug", required=False)
@session
def list_(session: Session, slug: str | None) -> None:
    """List tokens; never their secrets."""
    function = slug or slug_of(Path.cwd())
    found = tuple(all_tokens(session.token_operations(), function))
    session.show(found, lambda found: _table(found, every=function is None))


@command("revoke")
@click.argument("slug")
@click.argument("token", metavar="ID")
@session
def revoke(session: Session, slug: str, token: str) -> None:
    """End a token at once; ID is its id or its name."""
    operations = session.token_operations()
    if not session.given.yes:
        found = _named(all_tokens(operations, slug), slug, token)
        session.confirm(f"Revoke token {found.prefix.rstrip('.')}... for {slug}?")
    session.show(operations.revoke_token(slug, token), _revoked)


@command("rotate")
@click.argument("slug")
@click.argument("token", metavar="ID")
@click.option(
    "--overlap",
    type=Duration(),
    default=0.0,
    metavar="24h",
    help="How long the old secret lives on; default: not at all.",
)
@session
def rotate(session: Session, slug: str, token: str, overlap: float) -> None:
    """Give a token a new secret and show it once; ID is its id or its name."""
    made = session.token_operations().rotate_token(slug, token, overlap)
    session.show(made, lambda made: _rotated(made, overlap))


@command("check")
@click.argument("source", metavar="-")
@click.option("--function", metavar="SLUG", help="Whether it is good for this function.")
@session
def check(session: Session, source: str, function: str | None) -> None:
    """Read a token from stdin and say whether, and why, it would be refused.

    The exit code is 0 if it is good and 1 if it is not.
    """
    if source != "-":
        raise click.UsageError("Give the token on stdin, not as an argument: jelou tokens check -")
    verdict = session.token_operations().check_token(sys.stdin.read(LONGEST).strip())
    if verdict.valid and function and verdict.function not in (function, EDGE_WIDE):
        verdict = replace(verdict, valid=False, reason="other_function")
    session.show(verdict, _verdict)
    if not verdict.valid:
        sys.exit(1)


for _command in (create, list_, revoke, rotate, check):
    tokens.add_command(_command)


def _named(found: Iterable[TokenInfo], slug: str, token: str) -> TokenInfo:
    for info in found:
        if token in (info.id, info.name):
            return info
    raise AdminError("NOT_FOUND", f"{slug} has no token {token!r}; see: jelou tokens list {slug}")


def _created(made: NewToken) -> Iterator[str]:
    yield output.done(f'Created token "{made.name}"')
    yield output.secret(made.token)
    yield output.warning("Save this token now — it will not be shown again.")


def _rotated(made: NewToken, overlap: float) -> Iterator[str]:
    yield output.done(f'Rotated token "{made.name}"')
    yield output.secret(made.token)
    yield output.warning("Save this token now — it will not be shown again.")
    if overlap:
        yield f"  The old one, {made.name}~old, is good for another {shown(overlap)}."


def _revoked(_: Revoked) -> Iterator[str]:
    yield output.done("Token revoked")


def _table(found: tuple[TokenInfo, ...], *, every: bool) -> list[str]:
    columns = ["Id", "Name", "Prefix", "Last Used", "Created", "Expires"]
    rows = [
        [
            token.id,
            token.name,
            token.prefix,
            output.moment(token.last_used),
            output.moment(token.created),
            output.moment(token.expires),
        ]
        for token in found
    ]
    if every:
        columns.insert(0, "Function")
        rows = [[token.function, *row] for token, row in zip(found, rows, strict=True)]
    return output.table(columns, rows)


def _verdict(verdict: TokenVerdict) -> Iterator[str]:
    if verdict.valid:
        yield output.done("The token is good")
    else:
        yield f"{output.FAILED} {_REASONS[str(verdict.reason)]}"
    if verdict.id is not None:
        yield from output.fields(
            [
                ("Id", verdict.id),
                ("Name", verdict.name or ""),
                ("Function", verdict.function or ""),
                ("Scopes", ", ".join(verdict.scopes) or "everything"),
                ("Expires", output.moment(verdict.expires)),
            ]
        )


_REASONS = {
    "malformed": "This is no runtime token: wrong form or checksum. It would be refused.",
    "unknown": "This edge never made this token. It would be refused.",
    "revoked": "The token has been revoked. It would be refused.",
    "expired": "The token has expired. It would be refused.",
    "other_function": "The token is another function's. It would be refused.",
}
