"""`jelou mcp stdio`: an MCP server on stdio that is a function's `/mcp` elsewhere.

The command alone; the bridge is `edge/cli/stdio_bridge.py`.
"""

import sys
from urllib.parse import urlsplit

import click

from edge.admin.client import LOOPBACK
from edge.admin.errors import AdminError
from edge.cli.context import Session
from edge.cli.group import command, session
from edge.cli.mcp_http import Endpoint
from edge.cli.stdio_bridge import Bridge
from edge.snippets import VARIABLE


@command("stdio")
@click.argument("url")
@session
def stdio(session: Session, url: str) -> None:
    """Bridge a client that speaks MCP on stdin and stdout to the function at URL.

    The function's token comes from the environment variable JELOU_FUNCTION_TOKEN.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AdminError("INPUT_ERROR", f"{url!r} is no MCP address; write https://…/mcp")
    token = session.environ.get(VARIABLE, "").strip()
    if token and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        session.out.warn(f"{url} is not encrypted: the token can be read on its way")
    bridge = Bridge(Endpoint(url, token), sys.stdout.buffer, session.out.warn)
    bridge.run(sys.stdin.buffer)
