"""Gateways that are told of an OpenAPI document, of tools or of an MCP server to stand before.

Each checks the token in its own way and with the one key that it mints or is given: none of them
takes the thousand tokens of the others.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.benchmarks import operations
from tests.benchmarks.opponents.model import (
    HANDSHAKE,
    STATELESS,
    Endpoint,
    Launch,
    Mcp,
    Opponent,
    Programs,
    SetUp,
)
from tests.benchmarks.opponents.python import ROOT

SECONDS = 30.0
_NAME = "bench"
_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
"""The key of those that are given one; it opens nothing but a process on loopback."""

_STDIO = ROOT / "tests" / "benchmarks" / "apps" / "stdio_tools.mjs"


def _hub(setup: SetUp, programs: Programs) -> Launch:
    """openapi-mcp-hub; it lists all tools, where by default it would list 50."""
    flags = ["--host", "127.0.0.1", "--port", str(setup.port), "--advertise-limit", "0"]
    flags += ["--data-dir", str(setup.folder / "hub"), "--log-level", "error"]
    command = [str(programs["openapi-mcp-hub"].path), "-m", "openapi_mcp_hub", *flags]
    return Launch(command, {"OPENAPI_MCP_HUB_ADMIN_TOKEN": _KEY})


def _hub_endpoint(setup: SetUp, programs: Programs) -> Endpoint:
    """Register the document; the key is what the hub mints for it."""
    del programs
    base = f"http://127.0.0.1:{setup.upstream}"
    document = setup.document.read_text("utf-8")
    service = {"name": _NAME, "base_url": base, "spec_text": document, "max_tools": setup.tools}
    said = _post(setup.port, "/services", service, _KEY)
    return _keyed(f"/mcp/{_NAME}", "X-Api-Key", said["api_key"], nested=True)


def _mcp_proxy(setup: SetUp, programs: Programs) -> Launch:
    """npm mcp-proxy before the leanest MCP server that calls the function, over stdio."""
    program = programs["mcp-proxy"]
    node = program.env["NODE"]
    flags = ["--host", "127.0.0.1", "--port", str(setup.port), "--server", "stream"]
    server = [node, str(_STDIO), str(setup.document)]
    command = [node, str(program.path), *flags, "--no-eventStore", "--", *server]
    return Launch(command, {"MCP_PROXY_API_KEY": _KEY})


def _mcp_proxy_endpoint(setup: SetUp, programs: Programs) -> Endpoint:
    del setup, programs
    return _keyed("/mcp", "X-API-Key", _KEY)


def _litellm(setup: SetUp, programs: Programs) -> Launch:
    """LiteLLM's proxy with the document as an MCP server, and no database."""
    server = {
        "url": f"http://127.0.0.1:{setup.upstream}",
        "spec_path": str(setup.document),
        "allow_all_keys": True,
        "auth_type": "none",
    }
    versions = {"mcp_advertised_versions": [HANDSHAKE, STATELESS]}
    settings = {"general_settings": versions, "mcp_servers": {_NAME: server}}
    config = setup.write("litellm.yaml", json.dumps(settings))
    command = [str(_script(programs["litellm"].path, "litellm")), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(setup.port), "--telemetry", "False"]
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    return Launch(command, {"LITELLM_MASTER_KEY": _KEY, **local})


def _litellm_endpoint(setup: SetUp, programs: Programs) -> Endpoint:
    del setup, programs
    field, tool = "x-litellm-api-key", f"{_NAME}-{operations.TOOL}"
    endpoint = _keyed(f"/mcp/{_NAME}", field, f"Bearer {_KEY}", tool=tool, nested=True)
    return replace(endpoint, refusals=frozenset({400, 401}))  # 400 for want of a database


_FORGE = {
    "CACHE_TYPE": "memory",
    "JWT_SECRET_KEY": _KEY,
    "AUTH_ENCRYPTION_SECRET": _KEY,
    "PLATFORM_ADMIN_EMAIL": "admin@example.com",
    "PLATFORM_ADMIN_PASSWORD": f"Bench-{_KEY}",
    "SSRF_ALLOW_LOCALHOST": "true",
    "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
    "RATE_LIMITING_ENABLED": "false",
    "PLUGINS_ENABLED": "false",
    "LOG_LEVEL": "ERROR",
}
"""ContextForge without its limit of 100 requests a minute, caching in memory."""


def _forge_env(setup: SetUp) -> dict[str, str]:
    return {**_FORGE, "DATABASE_URL": f"sqlite:///{setup.folder / 'forge.db'}"}


def _forge(setup: SetUp, programs: Programs) -> Launch:
    """ContextForge in one process, with SQLite."""
    command = [str(_script(programs["contextforge"].path, "mcpgateway"))]
    command += ["--host", "127.0.0.1", "--port", str(setup.port)]
    return Launch(command, {**_forge_env(setup), "HOME": str(setup.folder)})


def _forge_endpoint(setup: SetUp, programs: Programs) -> Endpoint:
    """Register the tools one by one: it reads no OpenAPI document."""
    python, env = programs["contextforge"].path, _forge_env(setup)
    mint = ["-m", "mcpgateway.utils.create_jwt_token", "-u", env["PLATFORM_ADMIN_EMAIL"]]
    done = subprocess.run(
        [str(python), *mint, "--admin", "-e", "600"],
        env=env,
        cwd=setup.folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    token = done.stdout.strip().splitlines()[-1]
    base = f"http://127.0.0.1:{setup.upstream}"
    for tool in operations.tools(setup.tools):
        _post(setup.port, "/tools", {"tool": _forge_tool(tool, base)}, token)
    return _keyed(
        "/mcp", "Authorization", f"Bearer {token}", tool=operations.TOOL.replace("_", "-")
    )


def _forge_tool(tool: Mapping[str, Any], base: str) -> dict[str, Any]:
    return {
        "name": tool["name"],
        "url": base + tool["path"],
        "description": tool["description"],
        "integration_type": "REST",
        "request_type": tool["method"],
        "input_schema": tool["inputSchema"],
    }


def _keyed(
    path: str, field: str, key: str, tool: str = operations.TOOL, *, nested: bool = False
) -> Endpoint:
    bad = key[:-4] + key[-4:][::-1]
    return Endpoint(path, {field: key}, {field: bad}, tool, nested)


def _post(port: int, path: str, said: Mapping[str, Any], token: str) -> dict[str, Any]:
    """Send JSON to a gateway's management; its answer. Raises OSError if it refuses."""
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    url, body = f"http://127.0.0.1:{port}{path}", json.dumps(said).encode()
    with urlopen(Request(url, body, fields), timeout=SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _script(python: Path, name: str) -> Path:
    """A program that was installed beside its interpreter."""
    return python.with_name(name)


OPPONENTS = (
    Opponent(
        "openapi-mcp-hub",
        "SHA-256 of its one key",
        False,
        ("openapi-mcp-hub",),
        _hub,
        mcp=Mcp(_hub_endpoint, sessions=False),
    ),
    Opponent(
        "npm mcp-proxy",
        "its one key",
        False,
        ("mcp-proxy",),
        _mcp_proxy,
        mcp=Mcp(_mcp_proxy_endpoint),
    ),
    Opponent(
        "LiteLLM",
        "master key",
        False,
        ("litellm",),
        _litellm,
        mcp=Mcp(_litellm_endpoint),
    ),
    Opponent(
        "ContextForge",
        "JWT",
        False,
        ("contextforge",),
        _forge,
        mcp=Mcp(_forge_endpoint, sessions=False, stateless=HANDSHAKE),
    ),
)
