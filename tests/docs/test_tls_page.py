"""`docs/tls.md` does what it says: the proxies' configurations are run before an edge."""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.certificates import self_signed
from tests.support.processes import ROOT
from tests.support.whole_edge import Edge, serving
from tests.support.whole_function import Function, function
from tests.support.whole_processes import eventually
from tests.whole.test_tls import free_port

PAGE = (ROOT / "docs" / "tls.md").read_text()
MAP = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"


def block(language: str) -> str:
    """The one block of the page in a language."""
    (found,) = re.findall(rf"```{language}\n(.+?)```", PAGE, re.DOTALL)
    return str(found)


def nginx(folder: Path, port: int, edge: int) -> list[str]:
    """Its command, with the page's configuration."""
    assert MAP in PAGE
    text = block("nginx").replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{edge}")
    live = "/etc/letsencrypt/live/fn.example.com/"
    text = text.replace(f"{live}fullchain.pem", str(folder / "cert.pem"))
    text = text.replace(f"{live}privkey.pem", str(folder / "key.pem"))
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in paths)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary} {MAP}\n{text} }}"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, edge: int) -> list[str]:
    """The same of Caddy; the certificate is given instead of fetched."""
    text = block("caddyfile").replace("127.0.0.1:8080", f"127.0.0.1:{edge}")
    given = f"{{\n\ttls {folder / 'cert.pem'} {folder / 'key.pem'}\n"
    text = text.replace("fn.example.com {\n", f"https://127.0.0.1:{port} {given}", 1)
    options = f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES = {"nginx": nginx, "caddy": caddy}
Command = Callable[[Path, int, int], list[str]]


@contextmanager
def before(edge: Edge, folder: Path, command: Command) -> Iterator[int]:
    """Run a proxy before an edge; its port."""
    port = free_port()
    self_signed(folder)
    process = subprocess.Popen(
        command(folder, port, edge.port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        assert process.poll() is None, "the proxy has ended"
        try:
            ssl.get_server_certificate(("127.0.0.1", port))
        except OSError:
            return False
        return True

    try:
        eventually(answers, "the proxy listens")
        yield port
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def origin() -> Iterator[Function]:
    with function() as running:
        yield running


@pytest.mark.parametrize("name", PROXIES)
def test_the_configuration_shown_serves_functions_and_tells_who_asks(
    tmp_path: Path, origin: Function, name: str
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    flags = ("--trusted-proxies", "127.0.0.1")
    with serving(tmp_path / "data", *flags) as edge, before(edge, tmp_path, PROXIES[name]) as port:
        token = edge.deploy("shop", origin.url).token or ""
        trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        client = HTTPSConnection("127.0.0.1", port, timeout=10, context=trust)
        client.request("GET", "/shop/hello")
        refused = client.getresponse()
        refused.read()
        assert refused.status == 401
        client.request("GET", "/shop/hello", headers={"X-Jelou-Token": token})
        seen = json.loads(client.getresponse().read())["seen"]
        assert seen["x-forwarded-proto"] == "https"
        assert seen["x-forwarded-for"] == "127.0.0.1, 127.0.0.1"  # client, proxy
        assert seen["x-forwarded-host"].startswith("127.0.0.1")
        client.request("GET", "/shop/events", headers={"X-Jelou-Token": token})
        events = client.getresponse()
        assert events.status == 200
        origin.next_event.release()
        assert events.readline()  # it comes although the answer has not ended
        events.close()
        client.close()
        anyio.run(_speaks_http2, port, trust, token)


async def _speaks_http2(port: int, trust: ssl.SSLContext, token: str) -> None:
    async with httpx2.AsyncClient(verify=trust, http2=True, trust_env=False) as client:
        url = f"https://127.0.0.1:{port}/shop/hello"
        answer = await client.get(url, headers={"X-Jelou-Token": token})
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
