"""The program `jelou`: its commands by name, and how any failure is told. Start here."""

import sys
from collections.abc import Sequence
from contextlib import closing

import click

from edge.admin.errors import AdminError, failure
from edge.cli.context import Session
from edge.cli.group import EdgeGroup, Lazy
from edge.version import VERSION
from tokens.secret import redact

COMMANDS = {
    "serve": Lazy("edge.cli.serve:serve", "Run the edge."),
    "init": Lazy("edge.cli.init:init", "Start a function."),
    "dev": Lazy("edge.cli.dev:dev", "Run a function here, anew on every change."),
    "deploy": Lazy("edge.cli.deploy:deploy", "Put a function behind the edge."),
    "tokens": Lazy("edge.cli.tokens:tokens", "Runtime tokens: who may call a function."),
    "functions": Lazy("edge.cli.functions:functions", "List, show and delete functions."),
    "secrets": Lazy("edge.cli.secrets:secrets", "What functions are told and nobody is shown."),
    "logs": Lazy("edge.cli.logs:logs", "What a function writes, as it comes."),
    "cron": Lazy("edge.cli.cron:cron", "Schedules of a function, and their runs."),
    "deployments": Lazy("edge.cli.deployments:deployments", "A function's versions."),
    "rollback": Lazy("edge.cli.deployments:rollback", "Make an earlier version answer again."),
    "mcp": Lazy("edge.cli.mcp:mcp", "Connect MCP clients to a function."),
    "status": Lazy("edge.cli.status:status", "How this edge is."),
    "doctor": Lazy("edge.cli.doctor:doctor", "What is wrong here, and what to type."),
    "backup": Lazy("edge.cli.backup:backup", "All of this edge in one file, while it runs."),
    "restore": Lazy("edge.cli.backup:restore_", "Put a backup in place of what is here."),
    "access": Lazy("edge.cli.access:access", "Access tokens: who may manage this edge."),
    "audit": Lazy("edge.cli.audit:audit", "Who changed what, when and from where."),
    "login": Lazy("edge.cli.auth:login", "Log in to an edge elsewhere."),
    "logout": Lazy("edge.cli.auth:logout", "Forget a login."),
    "whoami": Lazy("edge.cli.auth:whoami", "Which edge commands act on, and as whom."),
    "auth": Lazy("edge.cli.auth:auth", "Saved logins."),
    "completion": Lazy("edge.cli.completion:completion", "Have a shell complete what you type."),
}


def _print_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        click.echo(f"jelou {VERSION}")
        ctx.exit()


@click.group("jelou", cls=EdgeGroup, lazy=COMMANDS)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """One gate in front of your functions: tokens, plain HTTP and MCP on one port.

    Start with `jelou serve`, then `jelou deploy` in a function's directory or
    `jelou deploy http://127.0.0.1:9000`.
    """


def run(arguments: Sequence[str], session: Session) -> int:
    """Run one command line; the exit code is 0, 1 if it failed, 2 if it was not understood."""
    with closing(session):
        return _run(arguments, session, as_json="--json" in arguments)


def _run(arguments: Sequence[str], session: Session, *, as_json: bool) -> int:
    try:
        code = cli.main(list(arguments), "jelou", standalone_mode=False, obj=session)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        return _usage(error, session, as_json)
    except (click.Abort, KeyboardInterrupt):
        return _failed(AdminError("INPUT_ERROR", "Interrupted"), session, as_json)
    except AdminError as error:
        return _failed(error, session, as_json)
    except Exception as error:  # the last line of defence: no traceback, no secret
        text = f"Unexpected {type(error).__name__}: {redact(str(error))}"
        return _failed(AdminError("UNKNOWN_ERROR", text), session, as_json)
    return code if isinstance(code, int) else 0


def _usage(error: click.UsageError, session: Session, as_json: bool) -> int:
    message = redact(error.format_message())
    if as_json:
        session.out.json(failure(AdminError("INPUT_ERROR", message)))
    else:
        where = error.ctx.command_path if error.ctx is not None else "jelou"
        session.out.fail(f"{message} See: {where} --help")
    return 2


def _failed(error: AdminError, session: Session, as_json: bool) -> int:
    if as_json:
        session.out.json(failure(error))
    else:
        session.out.fail(error.message)
    return 1


def main() -> None:
    """The entry point of `jelou` and `jelou-edge`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show ✓ gets a question mark, not a traceback.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    sys.exit(run(sys.argv[1:], Session()))


if __name__ == "__main__":
    main()
