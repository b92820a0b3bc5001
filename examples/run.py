"""What ``make run`` starts: the example function, and an edge in front of it.

It does what a newcomer would do by hand with the ``jelou`` program, prints an address, a fresh
token and a line that calls the function, and stops both on Ctrl-C. It keeps the edge's data in
``.run/data`` (or ``JELOU_DATA_DIR``) and takes the address to listen on from ``JELOU_BIND``.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE / "python-function"
JELOU = Path(sys.executable).with_name("jelou")
DATA = Path(os.environ.get("JELOU_DATA_DIR") or HERE.parent / ".run" / "data").resolve()
TOKEN_LIFE = "7d"


@contextmanager
def started(
    command: list[str], ready: str, **env: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server; yield it with what follows ``ready`` in its output; stop it at the end."""
    process = subprocess.Popen(
        command,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches this script alone, which stops them in order
    )
    try:
        where = address(process, ready)
        relay = threading.Thread(target=print_lines, args=[process.stdout], daemon=True)
        relay.start()
        yield process, where
    finally:
        process.terminate()
        process.wait()


def print_lines(lines: Iterable[str]) -> None:
    """Show what a server goes on to say, so that it never waits for a reader."""
    for line in lines:
        print(line, end="", flush=True)


def address(process: subprocess.Popen[str], ready: str) -> str:
    """Read a server's output up to the line which says that it accepts connections."""
    assert process.stdout is not None
    for line in process.stdout:
        if ready in line:
            return line.split(ready, 1)[1].split()[0]
    sys.exit(f"could not start: {process.args!r}")


def jelou(*arguments: str) -> Any:
    """Run the ``jelou`` program against the edge's data directory; return its JSON data."""
    command = [str(JELOU), *arguments, "--data-dir", str(DATA), "--json", "--no-input"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or not answer.get("ok"):
        why = answer.get("error", {}).get("message", f"exit status {done.returncode}")
        sys.exit(f"jelou {arguments[0]}: {why}")
    return answer["data"]


def bind() -> str:
    """Return the address to listen on: the one asked for, else port 8080, else any free port."""
    if wanted := os.environ.get("JELOU_BIND"):
        return wanted
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8080))
        except OSError:
            print("▸ Port 8080 is in use: listening on a free one")
            return "127.0.0.1:0"
    return "127.0.0.1:8080"


def deploy(upstream: str) -> dict[str, Any]:
    """Deploy the example, its project file naming the address on which it listens now."""
    settings = json.loads((EXAMPLE / "jelou.json").read_text("utf-8")) | {"upstream": upstream}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "jelou.json").write_text(json.dumps(settings), "utf-8")
        deployed = jelou("deploy", folder)
    return {"slug": settings["function"], **deployed}


def fresh_token(deployed: dict[str, Any]) -> str:
    """Return the token of a first deploy, or create one: no token is ever shown twice."""
    name = f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    return str(
        deployed.get("token")
        or jelou("tokens", "create", deployed["slug"], "--name", name, "--expires", TOKEN_LIFE)[
            "token"
        ]
    )


def describe(deployed: dict[str, Any], token: str) -> str:
    """Return what a newcomer needs to call the function."""
    return f"""
▸ URL      {deployed["url"]}
▸ Token    {token}
▸ MCP      {deployed["mcpUrl"]}
▸ Header   X-Jelou-Token: {token}

Paste this line into another terminal:

curl -X POST {deployed["url"]} -H "Content-Type: application/json" \
-H "X-Jelou-Token: {token}" -d '{{"phone": "593987654321"}}'

Ctrl-C stops the function and the edge.
"""


def main() -> None:
    """Run both until interrupted or until one of them ends."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    serve = [str(JELOU), "serve", "--bind", bind(), "--data-dir", str(DATA)]
    try:
        with (
            started([sys.executable, str(EXAMPLE / "app.py")], "ready on ", PORT="0") as function,
            started(serve, "Edge ready on ") as edge,
        ):
            deployed = deploy(function[1])
            print(describe(deployed, fresh_token(deployed)), flush=True)
            while function[0].poll() is None and edge[0].poll() is None:
                time.sleep(0.2)
            sys.exit("the function or the edge has ended")
    except KeyboardInterrupt:
        print("\n▸ Stopped")


if __name__ == "__main__":
    main()
