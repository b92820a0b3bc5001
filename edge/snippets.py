"""What each MCP client wants to be told to use a function: exact snippets. Pure.

The sources are the clients' own pages, named beside each. A client that cannot send a header of
one's own choice says so, with the way round.
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

HEADER = "X-Jelou-Token"
VARIABLE = "JELOU_FUNCTION_TOKEN"

EVERY = "jelou-edge"
"""Names the server of every function in clients."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a snippet is for.

    Attributes:
        function: the slug, or None for every function at the edge's own address.
        url: its MCP address.
        token: the secret to write down, or None for the client's own way to keep secrets.
        program: how the client starts this program.
    """

    function: str | None
    url: str
    token: str | None
    program: str

    @property
    def slug(self) -> str:
        """Names the server in the client."""
        return EVERY if self.function is None else self.function

    @property
    def again(self) -> str:
        """What tells this program which server is meant."""
        return "--all" if self.function is None else self.function

    @property
    def taking(self) -> tuple[str, str]:
        """Who takes the token elsewhere, and the setting by which it does."""
        if self.function is None:
            return "the edge", 'accept_tokens_in = ["x-jelou-token", "authorization"] in edge.toml'
        return "the function", '"config": {"acceptTokensIn": ["x-jelou-token", "authorization"]}'


@dataclass(frozen=True, slots=True)
class Snippet:
    """What to put where.

    Attributes:
        text: the snippet itself, ready to paste.
        where: where it goes.
        notes: what else to know or do.
        sends_header: whether the client can send `X-Jelou-Token`.
    """

    text: str
    where: str
    notes: tuple[str, ...] = ()
    sends_header: bool = True


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


_SET_VARIABLE = f"Set {VARIABLE} to the token in the environment that starts the client."
_LOCAL = "The address is this machine's; a service elsewhere cannot reach it. Give --public-url."


def brain_studio(wanted: Wanted) -> Snippet:
    """AI Agent → Tools → External MCP Servers (the platform's documentation)."""
    value = wanted.token or "<the function's token>"
    text = f"URL           {wanted.url}\nHeader name   {HEADER}\nHeader value  {value}"
    return Snippet(text, "Brain Studio: AI Agent → Tools → External MCP Servers", _public(wanted))


def claude_code(wanted: Wanted) -> Snippet:
    """code.claude.com/docs/en/mcp: `claude mcp add`, and `${VAR}` in `.mcp.json`."""
    if wanted.token is not None:
        header = shlex.quote(f"{HEADER}: {wanted.token}")
        command = f"claude mcp add --transport http {wanted.slug} {shlex.quote(wanted.url)}"
        return Snippet(f"{command} --header {header}", "Run this in the project's directory")
    server = {"type": "http", "url": wanted.url, "headers": {HEADER: f"${{{VARIABLE}}}"}}
    text = _json({"mcpServers": {wanted.slug: server}})
    return Snippet(text, ".mcp.json in the project's root", (_SET_VARIABLE,))


def claude_desktop(wanted: Wanted) -> Snippet:
    """modelcontextprotocol.io, "Connect to local MCP servers": stdio servers only."""
    server = {
        "command": wanted.program,
        "args": ["mcp", "stdio", wanted.url],
        "env": {VARIABLE: wanted.token or "<the function's token>"},
    }
    notes = ("Claude Desktop starts local programs; `jelou mcp stdio` bridges to the edge.",)
    where = "claude_desktop_config.json (Settings → Developer → Edit Config)"
    return Snippet(_json({"mcpServers": {wanted.slug: server}}), where, notes)


def claude_ai(wanted: Wanted) -> Snippet:
    """support.claude.com, "Get started with custom connectors": OAuth or no authentication."""
    who, how = wanted.taking
    text = (
        "claude.ai's custom connectors sign in with OAuth or not at all; most accounts have no\n"
        "field for a header, so the function's token cannot be sent from there.\n"
        "\n"
        "Ways round:\n"
        f"  - Claude Desktop or Code: jelou mcp config {wanted.again} --client claude-desktop\n"
        f'  - If the dialog shows "Request headers" (a beta): name {HEADER}, value the token.\n'
        f"    If that name is not accepted, let {who} take the token elsewhere:\n"
        f"    {how}, and set\n"
        "    Authorization to: Bearer <the token>"
    )
    if wanted.function is not None:
        text += '\n  - Only for tools that anyone may call: "config": {"public": true}'
    where = "claude.ai: Settings → Connectors → Add custom connector"
    return Snippet(text, where, sends_header=False)


def claude_api(wanted: Wanted) -> Snippet:
    """platform.claude.com, "MCP connector": one bearer token for each server, no other header."""
    body = {
        "model": "claude-opus-4-6",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "What tools do you have available?"}],
        "mcp_servers": [
            {
                "type": "url",
                "url": wanted.url,
                "name": wanted.slug,
                "authorization_token": wanted.token or f"${VARIABLE}",
            }
        ],
        "tools": [{"type": "mcp_toolset", "mcp_server_name": wanted.slug}],
    }
    text = (
        "curl https://api.anthropic.com/v1/messages \\\n"
        '  -H "Content-Type: application/json" \\\n'
        '  -H "X-API-Key: $ANTHROPIC_API_KEY" \\\n'
        '  -H "anthropic-version: 2023-06-01" \\\n'
        '  -H "anthropic-beta: mcp-client-2025-11-20" \\\n'
        f"  -d {_shell_json(body)}"
    )
    who, how = wanted.taking
    then = "restart it" if wanted.function is None else "deploy"
    notes = (
        f"The connector sends Authorization: Bearer and cannot send {HEADER}. Let {who} "
        f"accept it: {how}, then {then}.",
        "It connects from Anthropic's network and takes https:// addresses only.",
    )
    return Snippet(text, "A request to the Messages API", notes, sends_header=False)


def cursor(wanted: Wanted) -> Snippet:
    """cursor.com/docs/mcp: `${env:NAME}` is filled in within `url` and `headers`."""
    value = wanted.token or f"${{env:{VARIABLE}}}"
    text = _json({"mcpServers": {wanted.slug: {"url": wanted.url, "headers": {HEADER: value}}}})
    notes = () if wanted.token else (_SET_VARIABLE,)
    return Snippet(text, ".cursor/mcp.json in the project, or ~/.cursor/mcp.json", notes)


def vscode(wanted: Wanted) -> Snippet:
    """code.visualstudio.com, "MCP configuration reference": `inputs` are asked for once."""
    name = f"jelou-token-{wanted.slug}"
    value = wanted.token or f"${{input:{name}}}"
    server = {"type": "http", "url": wanted.url, "headers": {HEADER: value}}
    asked = {
        "type": "promptString",
        "id": name,
        "description": f"Token of {wanted.slug}",
        "password": True,
    }
    inputs = {} if wanted.token else {"inputs": [asked]}
    text = _json({**inputs, "servers": {wanted.slug: server}})
    return Snippet(text, ".vscode/mcp.json in the workspace")


def codex(wanted: Wanted) -> Snippet:
    """developers.openai.com/codex/mcp: `http_headers`, or `env_http_headers` naming a variable."""
    text = f"[mcp_servers.{wanted.slug}]\nurl = {json.dumps(wanted.url)}\n"
    if wanted.token is not None:
        text += f'http_headers = {{ "{HEADER}" = "{wanted.token}" }}'
        return Snippet(text, "~/.codex/config.toml")
    text += f'env_http_headers = {{ "{HEADER}" = "{VARIABLE}" }}'
    return Snippet(text, "~/.codex/config.toml", (_SET_VARIABLE,))


def openai_api(wanted: Wanted) -> Snippet:
    """platform.openai.com, "Connectors and MCP servers": `headers` go with every request."""
    body = {
        "model": "gpt-5",
        "input": "What tools do you have available?",
        "tools": [
            {
                "type": "mcp",
                "server_label": wanted.slug,
                "server_url": wanted.url,
                "headers": {HEADER: wanted.token or f"${VARIABLE}"},
                "require_approval": "always",
            }
        ],
    }
    text = (
        "curl https://api.openai.com/v1/responses \\\n"
        '  -H "Content-Type: application/json" \\\n'
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        f"  -d {_shell_json(body)}"
    )
    return Snippet(text, "A request to the Responses API", _public(wanted))


def chatgpt(wanted: Wanted) -> Snippet:
    """developers.openai.com/apps-sdk: connectors sign in with OAuth, mixed, or not at all."""
    text = (
        "ChatGPT's connectors (developer mode) sign in with OAuth or not at all; there is no\n"
        "field for a header, so the function's token cannot be sent from there.\n"
        "\n"
        "Ways round:\n"
        f"  - The OpenAI API sends headers: jelou mcp config {wanted.again} --client openai-api\n"
        f"  - Codex does too: jelou mcp config {wanted.again} --client codex"
    )
    if wanted.function is not None:
        text += (
            '\n  - Only for tools that anyone may call: "config": {"public": true}; then choose\n'
            "    authentication: none"
        )
    return Snippet(text, "ChatGPT: Settings → Apps → Create", sends_header=False)


CLIENTS: dict[str, Callable[[Wanted], Snippet]] = {
    "brain-studio": brain_studio,
    "claude-code": claude_code,
    "claude-desktop": claude_desktop,
    "claude-ai": claude_ai,
    "claude-api": claude_api,
    "cursor": cursor,
    "vscode": vscode,
    "codex": codex,
    "openai-api": openai_api,
    "chatgpt": chatgpt,
}

TOKENLESS = frozenset({"claude-ai", "chatgpt"})
"""Clients that have no place for a token, so that none is made for them."""


def _public(wanted: Wanted) -> tuple[str, ...]:
    local = ("://127.0.0.1", "://localhost", "://[::1]", ".localhost")
    return (_LOCAL,) if any(part in wanted.url for part in local) else ()


def _shell_json(body: object) -> str:
    """JSON as one shell word in which `$JELOU_FUNCTION_TOKEN` is still filled in."""
    quoted = shlex.quote(_json(body))
    return quoted.replace(f'"${VARIABLE}"', f'"\'"${VARIABLE}"\'"')
