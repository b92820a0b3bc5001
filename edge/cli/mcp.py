"""`jelou mcp`: connecting MCP clients to a function."""

import shutil
import sys
from collections.abc import Iterator

import click

from edge.admin.errors import AdminError
from edge.admin.operations import Operations
from edge.cli.context import Session
from edge.cli.group import Lazy, command, group, session
from edge.snippets import CLIENTS, TOKENLESS, Snippet, Wanted
from tokens.model import EDGE_WIDE

ELSEWHERE = {
    "stdio": Lazy("edge.cli.stdio:stdio", "Bridge a stdio client to a function."),
    "rotate-keys": Lazy("edge.cli.mcp_keys:rotate_keys", "Sign MCP sessions with new keys."),
}


@group("mcp", lazy=ELSEWHERE)
def mcp() -> None:
    """Connect MCP clients to a function."""


@command("config")
@click.argument("slug", required=False)
@click.option("--all", "everywhere", is_flag=True, help="Every function, at the edge's own /mcp.")
@click.option("--client", required=True, type=click.Choice(list(CLIENTS)), help="Which client.")
@click.option(
    "--create-token",
    metavar="NAME",
    help="Create a token and write it into the snippet, instead of the client's placeholder.",
)
@session
def config(
    session: Session, slug: str | None, everywhere: bool, client: str, create_token: str | None
) -> None:
    """Print what to tell a client: the exact snippet on stdout, where it goes on stderr.

    With --all instead of a function, for all of them at one address: the edge's own /mcp.

    Without --create-token the client's own way to keep secrets is used, with the environment
    variable JELOU_FUNCTION_TOKEN where it has one.
    """
    if everywhere is (slug is not None):
        raise click.UsageError("Give a SLUG, or --all for every function.")
    operations = session.operations()
    url = _address(operations, slug)
    token = None
    if create_token is not None and client not in TOKENLESS:
        token = operations.create_token(slug or EDGE_WIDE, create_token).token
    snippet = CLIENTS[client](Wanted(slug, url, token, _program()))
    shown = {
        "client": client,
        "where": snippet.where,
        "snippet": snippet.text,
        "notes": list(snippet.notes),
        "sendsHeader": snippet.sends_header,
        "token": token,
    }
    session.show(shown, lambda _: [snippet.text])
    if not session.given.json:
        session.out.lines(_explained(snippet, token), err=True)


mcp.add_command(config)


def _address(operations: Operations, slug: str | None) -> str:
    """Where MCP is spoken for one function, or for every one (None)."""
    if slug is None:
        return f"{operations.info().url}/mcp"
    url = operations.function(slug).mcp_url
    if url is None:
        message = f'{slug} has "mcp": false, so there is nothing to connect to'
        raise AdminError("VALIDATION_ERROR", message)
    return url


def _program() -> str:
    """The program by its full path: clients with a window do not have the shell's search path."""
    return shutil.which(sys.argv[0]) or shutil.which("jelou") or "jelou"


def _explained(snippet: Snippet, token: str | None) -> Iterator[str]:
    yield f"▸ Where: {snippet.where}"
    yield from (f"▸ {note}" for note in snippet.notes)
    if token is not None:
        yield "⚠ The snippet holds the token; it will not be shown again."
