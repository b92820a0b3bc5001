"""A token is shown once, to the one who made it, and stands nowhere else in any form."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.support.edge import isolated
from tests.support.processes import JELOU
from tests.support.whole_edge import Caller, Edge, project, serving
from tests.support.whole_function import Function

SLUG = "shop"
RANDOM_PART = slice(7, 39)


@dataclass
class Eavesdropper:
    """Runs commands and keeps everything that anybody said, once-only lines apart."""

    data_dir: Path
    heard: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command; what it says is kept."""
        done = subprocess.run(
            [*JELOU, *arguments, "--data-dir", str(self.data_dir), "--no-input"],
            env=isolated(self.data_dir) | {"PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parents[2],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        self.heard += [done.stdout, done.stderr]
        return done

    def mint(self, *arguments: str) -> str:
        """Run a command that shows a token; that one showing is not kept."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done
        secret = str(json.loads(done.stdout)["data"]["token"])
        self.heard[-2] = self.heard[-2].replace(secret, "")
        self.secrets.append(secret)
        return secret

    def ask(self, caller: Caller, target: str, token: str | None = None, **more: str) -> str:
        """A request; the whole answer is kept."""
        answer = caller.ask(
            target, token, headers={k.replace("_", "-"): v for k, v in more.items()}
        )
        text = f"{answer.status} {dict(answer.headers)} {answer.body.decode()}"
        self.heard.append(text)
        return text

    def expect_nothing(self, places: dict[str, bytes]) -> None:
        """No secret's random part stands in any of these places or was heard."""
        everything = places | {text[:200]: text.encode() for text in self.heard}
        for secret in self.secrets:
            for name, content in everything.items():
                assert secret[RANDOM_PART].encode() not in content, f"a token stands in {name}"


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(p): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def processes_of(edge: Edge) -> dict[str, bytes]:
    """What anyone may read of the edge's processes."""
    return {
        f"{name} of {pid}": Path(f"/proc/{pid}/{name}").read_bytes()
        for pid in [edge.pid, *edge.workers]
        for name in ("cmdline", "environ")
    }


def test_no_token_stands_in_any_output_answer_process_or_file(
    tmp_path: Path, origin: Function
) -> None:
    data_dir = tmp_path / "data"
    ear = Eavesdropper(data_dir)
    (tmp_path / "jelou.json").write_text(project(SLUG, origin.url))
    with serving(data_dir, "--accept-tokens-in", "authorization", workers=2) as edge:
        first = ear.mint("deploy", str(tmp_path))
        second = ear.mint("tokens", "create", SLUG, "--name", "second")
        rotated = ear.mint("tokens", "rotate", SLUG, "second", "--overlap", "1h")
        wide = ear.mint("tokens", "create", "--all", "--name", "wide")
        ear.mint("access", "create", "--name", "laptop")
        for command in (
            ("deploy", str(tmp_path)),
            ("tokens", "list"),
            ("tokens", "list", SLUG, "--json"),
            ("tokens", "revoke", SLUG, first, "-y"),
            ("tokens", "create", SLUG, "--name", first),
            ("functions", "info", SLUG, "--json"),
            ("functions", "info", first),
            ("functions", "delete", first, "-y"),
            ("rollback", SLUG, first),
            ("deployments", "info", SLUG, first),
            ("mcp", "config", SLUG, "--client", first),
            (first,),
            ("tokens", first),
            ("tokens", "list", f"--{first}"),
            ("tokens", "create", SLUG, "--name", "x", "--scope", first),
            ("tokens", "create", SLUG, "--name", "x", "--rate", first),
            ("tokens", "create", SLUG, "--name", "x", "--expires", first),
            ("whoami", "--edge", f"http://127.0.0.1:9/{first}"),
            ("access", "list", "--json"),
            ("deploy", first),
        ):
            ear.run(*command)
        ear.run("tokens", "check", "-", stdin=rotated)
        ear.run("tokens", "check", "-", stdin=rotated[:-1] + "!")

        caller = edge.caller()
        for token in (first, second, rotated, wide):
            seen = ear.ask(caller, f"/{SLUG}/hello", token, Cookie=f"t={token}", X_Copy=token)
            assert seen.startswith("200")
            ear.ask(caller, f"/{SLUG}/hello", Authorization=f"Bearer {token}")
            ear.ask(caller, f"/{SLUG}/hello", token[:-1] + "!")
            ear.ask(caller, f"/nowhere/{token}?t={quote(token)}", token)
            ear.ask(caller, f"/{SLUG}/hello", X_Request_Id=token)
            ear.ask(caller, f"/{SLUG}/hello", token, Accept="application/problem+json", Via=token)
            ear.ask(caller, f"/{SLUG}/mcp", token)
            for call in (
                {"name": token, "arguments": {}},
                {"name": "hello", "arguments": {token: token}},
                {"name": "hello", "arguments": token},
            ):
                ear.heard.append(str(caller.rpc(f"/{SLUG}/mcp", token, "tools/call", **call)))
            ear.heard.append(str(caller.rpc(f"/{SLUG}/mcp", token, "tools/list", cursor=token)))
            ear.heard.append(str(caller.rpc(f"/{SLUG}/mcp", token, "tools/list", token)))
        edge.deploy(SLUG, "http://127.0.0.1:9")
        ear.ask(caller, f"/{SLUG}/hello?t={first}", first)
        edge.operations.revoke_token(SLUG, "default")
        ear.ask(caller, f"/{SLUG}/hello", first)
        ear.expect_nothing(processes_of(edge) | files_of(data_dir))

        edge.program.process.terminate()
        assert edge.program.process.wait(20) == 0
    ear.heard.append(edge.program.output())
    ear.expect_nothing(files_of(tmp_path))
