"""TLS as its users have it: an address that asks for certificates, a pair that changes."""

import json
import socket
import ssl
import subprocess
import threading
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import pytest

from tests.support.certificates import Issued, self_signed
from tests.support.edge import isolated, jelou
from tests.support.processes import JELOU, run
from tests.support.whole_edge import serving
from tests.support.whole_function import Function
from tests.support.whole_processes import eventually


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.slow
def test_an_edge_with_client_certificates_is_managed_by_who_has_one(
    tmp_path: Path, origin: Function
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    authority = Issued.make("authority")
    client, stranger = (Issued.make("laptop", by) for by in (authority, Issued.make("other")))
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "client.pem").write_bytes(client.certificate_pem + client.key_pem)
    (tmp_path / "stranger.pem").write_bytes(stranger.certificate_pem + stranger.key_pem)
    data_dir = tmp_path / "data"
    admin = f"127.0.0.1:{free_port()}"
    flags = ["--certfile", str(certfile), "--keyfile", str(keyfile)]
    flags += ["--admin", admin, "--admin-client-ca", str(tmp_path / "ca.pem")]
    with serving(data_dir, *flags) as edge:
        edge.deploy("shop", origin.url)
        token = jelou(data_dir, "access", "create", "--name", "laptop")["token"]

        def functions(certificate: str) -> subprocess.CompletedProcess[str]:
            environ = isolated(tmp_path / "elsewhere") | {
                "JELOU_EDGE": f"https://{admin}",
                "JELOU_TOKEN": token,
                "SSL_CERT_FILE": str(certfile),
                "JELOU_CLIENT_CERT": certificate,
            }
            return run([*JELOU, "functions", "list", "--json"], env=environ)

        listed = functions(str(tmp_path / "client.pem"))
        assert [f["slug"] for f in json.loads(listed.stdout)["data"]] == ["shop"]
        for certificate in ("", str(tmp_path / "stranger.pem")):
            refused = functions(certificate)
            assert refused.returncode == 1
            assert json.loads(refused.stdout)["error"]["code"] == "NETWORK_ERROR"
        missing = functions(str(tmp_path / "missing.pem"))
        assert "missing.pem cannot be used" in missing.stdout
        # The socket of the data directory needs none.
        assert len(jelou(data_dir, "functions", "list")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["--fast-lane", "--no-fast-lane"])
def test_no_request_notices_a_series_of_certificates(
    tmp_path: Path, origin: Function, fast: str
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    flags = ["--certfile", str(certfile), "--keyfile", str(keyfile), fast]
    failed: list[Exception] = []
    statuses: set[int] = set()
    done = threading.Event()
    shown: set[str] = set()

    with serving(tmp_path / "data", *flags, workers=2) as edge:
        token = edge.deploy("shop", origin.url).token or ""

        def go_on_calling() -> None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            try:
                kept = connect(edge.port, context)
                while not done.is_set():
                    fresh = connect(edge.port, context)
                    shown.add(certificate_of(fresh))
                    statuses.update(status(client, token) for client in (kept, fresh))
                    fresh.close()
                kept.close()
            except (OSError, HTTPException) as error:
                failed.append(error)

        threads = [threading.Thread(target=go_on_calling) for _ in range(3)]
        for thread in threads:
            thread.start()
        made = set()
        try:
            for _ in range(4):
                self_signed(tmp_path)
                made.add(certfile.read_text())
                edge.program.process.send_signal(1)
                eventually(lambda: certfile.read_text() in shown, "the new one is shown")
        finally:
            done.set()
            for thread in threads:
                thread.join(20)
    assert (failed, statuses) == ([], {200})
    assert made <= shown


def connect(port: int, context: ssl.SSLContext) -> HTTPSConnection:
    client = HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    client.connect()
    return client


def certificate_of(client: HTTPSConnection) -> str:
    """What the server showed, in PEM."""
    return ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(binary_form=True))


def status(client: HTTPSConnection, token: str) -> int:
    """Ask; the status of the answer, which is read whole."""
    client.request("GET", "/shop/hello", headers={"X-Jelou-Token": token})
    answer = client.getresponse()
    answer.read()
    return answer.status
