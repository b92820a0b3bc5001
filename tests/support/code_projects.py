"""Projects that the edge runs, in real languages, and how they are deployed as the CLI does it."""

import json
from pathlib import Path
from typing import Any

from edge.admin.operations import DeployRequest, DeployResult, Operations
from edge.cli.code_files import with_code

_SERVER = """\
import json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = answer(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

"""
_SERVES = """\

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def http_server(answer: str) -> str:
    """A program that listens on PORT, given the function `answer` from a path to a text."""
    return _SERVER + answer + _SERVES


PYTHON = http_server("""\
def answer(path):
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {
        "/hello": {"get": {"operationId": "hello", "responses": {}}}}}
    told = {"version": "VERSION", "deployment": os.environ["JELOU_DEPLOYMENT"],
            "secret": os.environ.get("GREETING")}
    return json.dumps(document if path == "/openapi.json" else told)
""")

NODE = """\
const http = require("http");
http.createServer((request, response) => {
  response.end(JSON.stringify({version: "VERSION", deployment: process.env.JELOU_DEPLOYMENT}));
}).listen(process.env.LISTEN_SOCKET);
"""

DEFINED = """\
from edge.sdk import define

default = define(
    name="greet",
    description="Greets",
    input={"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    config={"public": True, "timeout": 7000, "cron": [{"expression": "0 9 * * *"}]},
    handler=lambda input, ctx: {"hello": input["name"], "version": "VERSION"},
)
"""


def python_project(directory: Path, version: str = "one", **more: Any) -> Path:
    """A project with a Python HTTP server on PORT."""
    return project(
        directory, {"server.py": PYTHON}, version, command=["python3", "server.py"], **more
    )


def node_project(directory: Path, version: str = "one", **more: Any) -> Path:
    """A project with a Node server on LISTEN_SOCKET."""
    return project(directory, {"server.js": NODE}, version, command=["node", "server.js"], **more)


def defined_project(directory: Path, version: str = "one", **more: Any) -> Path:
    """A project of one function declared in Python."""
    return project(directory, {"index.py": DEFINED}, version, entrypoint="index.py", **more)


def project(directory: Path, files: dict[str, str], version: str = "one", **more: Any) -> Path:
    """A project directory; `more` is what its project file says, the name apart."""
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text.replace("VERSION", version))
    (directory / "jelou.json").write_text(json.dumps({"function": "fn", **more}))
    return directory


def served_project(directory: Path, source: str) -> Path:
    """A project of a public function `own` that is a server in one file."""
    files, command = {"server.py": source}, ["python3", "server.py"]
    config = {"public": True}
    return project(directory, files, function="own", command=command, config=config, openapi=False)


def request_for(operations: Operations, directory: Path, **more: Any) -> DeployRequest:
    """The request of a project's deploy, its files sent."""
    text = (directory / "jelou.json").read_text()
    return with_code(operations, DeployRequest(project=text, **more), directory)


def deploy(operations: Operations, directory: Path, **more: Any) -> DeployResult:
    """Deploy a project directory."""
    return operations.deploy(request_for(operations, directory, **more))
