"""The files that `jelou init` writes, one set for each kind of function. Pure."""

import json
from typing import Any, Literal, get_args

Kind = Literal["define", "app", "command", "url"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MEANINGS: dict[Kind, str] = {
    "define": "one Python function: HTTP endpoint, OpenAPI and MCP tool",
    "app": "several Python functions under one address",
    "command": "a program in any language that listens, here Node",
    "url": "a service that runs already",
}

SCHEMA = "https://jelou.ai/schemas/jelou.json"
USUAL_URL = "http://127.0.0.1:9000"


def files(kind: Kind, slug: str, description: str, url: str = USUAL_URL) -> dict[str, str]:
    """Names and contents of a new project's files.

    Args:
        url: where the function listens, for a `url`.
    """
    made = {"jelou.json": _project(kind, slug, description, url)}
    if kind == "define":
        made["index.py"] = _DEFINE.format(slug=slug, description=_literal(description))
    elif kind == "app":
        made["index.py"] = _APP
    elif kind == "command":
        made["server.js"] = _SERVER
    if kind != "url":
        made[".gitignore"] = ".jelou/\n.env\n"
    return made


def _literal(text: str) -> str:
    """A text as Python writes a string, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _project(kind: Kind, slug: str, description: str, url: str) -> str:
    project: dict[str, Any] = {"$schema": SCHEMA, "function": slug}
    if kind in ("command", "url") and description:
        project["description"] = description
    if kind in ("define", "app"):
        project["entrypoint"] = "index.py"
    elif kind == "command":
        project |= {"command": ["node", "server.js"], "openapi": False, "tools": _TOOLS}
    else:
        project["upstream"] = url
    return json.dumps(project, indent=2, ensure_ascii=False) + "\n"


_TOOLS = {
    "greet": {
        "method": "POST",
        "path": "/greet",
        "description": "Greets somebody by name",
        "inputSchema": {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "Who is greeted"}},
            "required": ["name"],
        },
    }
}

_DEFINE = """\
from pydantic import BaseModel, Field

from edge.sdk import Context, define


class Input(BaseModel):
    name: str = Field(min_length=1, description="Who is greeted")


class Output(BaseModel):
    greeting: str


def handler(input: Input, ctx: Context) -> Output:
    ctx.log("Greeting", name=input.name)
    return Output(greeting=f"Hello, {{input.name}}!")


default = define(
    name="{slug}",
    description={description},
    input=Input,
    output=Output,
    handler=handler,
)
"""

_APP = """\
from pydantic import BaseModel, Field

from edge.sdk import Context, app, define


class Person(BaseModel):
    name: str = Field(min_length=1, description="Who is greeted")


class Numbers(BaseModel):
    numbers: list[float] = Field(description="What is added up")


def greet(input: Person, ctx: Context) -> dict[str, str]:
    return {"greeting": f"Hello, {input.name}!"}


def add_up(input: Numbers, ctx: Context) -> dict[str, float]:
    return {"sum": sum(input.numbers)}


# Each tool has an address of its own: /greet and /add-up.
default = app(
    tools={
        "greet": define(description="Greets somebody by name", input=Person, handler=greet),
        "addUp": define(description="Adds up numbers", input=Numbers, handler=add_up),
    }
)
"""

_SERVER = """\
const http = require("node:http");

const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    if (request.method !== "POST" || request.url !== "/greet") {
      response.writeHead(404).end();
      return;
    }
    const { name } = JSON.parse(body || "{}");
    console.log(`greeting ${name}`);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ greeting: `Hello, ${name}!` }));
  });
});

// The edge says where to listen: a Unix socket, or a port.
server.listen(process.env.LISTEN_SOCKET ?? process.env.PORT ?? 9000);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
"""
