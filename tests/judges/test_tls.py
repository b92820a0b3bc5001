"""What testssl.sh asks of a server and `tests/edge/server/test_certificates.py` does not, by hand.

Where testssl.sh is installed, it judges too.
"""

import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.certificates import Issued
from tests.support.documents_origin import free_port
from tests.support.processes import run
from tests.support.whole_edge import serving

SECONDS = 10.0


@dataclass(frozen=True)
class Secured:
    """A running edge with TLS, and an admin address that asks for certificates.

    Attributes:
        folder: holds `server.pem`, `ca.pem` and `client.pem`.
        kind: of the server's key: ECDSA or RSA.
    """

    port: int
    admin: int
    folder: Path
    kind: str

    def context(self) -> ssl.SSLContext:
        """A client that trusts it."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))


@pytest.fixture(scope="module", params=["ECDSA", "RSA"])
def edge(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Issued.make("authority")
    client, server = (Issued.make(name, authority) for name in ("client", "127.0.0.1"))
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    (folder / "client.pem").write_bytes(client.certificate_pem + client.key_pem)
    (folder / "server.pem").write_bytes(server.certificate_pem + authority.certificate_pem)
    (folder / "key.pem").write_bytes(server.key_pem)
    if request.param == "RSA":
        _make_rsa(folder)
    admin = free_port()
    flags = ["--certfile", str(folder / "server.pem"), "--keyfile", str(folder / "key.pem")]
    flags += ["--admin", f"127.0.0.1:{admin}", "--admin-client-ca", str(folder / "ca.pem")]
    with serving(folder / "data", *flags) as running:
        yield Secured(running.port, admin, folder, request.param)


def _make_rsa(folder: Path) -> None:
    """Put a certificate that issues itself in the server's place, and in the authority's."""
    where = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "server.pem")]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", *where, *names])
    assert made.returncode == 0, made.stderr
    with (folder / "ca.pem").open("ab") as trusted:
        trusted.write((folder / "server.pem").read_bytes())


# --- ciphers ------------------------------------------------------------------------------------

FORWARD_SECRET = ("AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305")


def known_ciphers() -> list[str]:
    """Every cipher of TLS 1.2 and before that OpenSSL has a name for."""
    said = run(["openssl", "ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"])
    return sorted(set(said.stdout.strip().split(":")) - {""})


def shakes_hands(edge: Secured, cipher: str) -> bool:
    context = edge.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        return False  # known by name alone
    try:
        with socket.create_connection(("127.0.0.1", edge.port), SECONDS) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()
    except OSError:
        return False
    return True


def test_of_all_ciphers_those_with_forward_secrecy_and_authentication_are_taken(
    edge: Secured,
) -> None:
    known = known_ciphers()
    assert len(known) > 60
    taken = {cipher for cipher in known if shakes_hands(edge, cipher)}
    assert taken == {f"ECDHE-{edge.kind}-{cipher}" for cipher in FORWARD_SECRET}


# --- hellos made by hand ------------------------------------------------------------------------

HANDSHAKE = 22
TLS_1_2 = 0x0303
ECDHE = (0xC02B, 0xC02F, 0xC009, 0xC013, 0x002F)
FALLBACK = 0x5600
GROUPS = b"\x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17"
SIGNATURES = b"\x00\x0d\x00\x0a\x00\x08\x04\x03\x08\x04\x04\x01\x02\x03"


def hello(version: int, *more_ciphers: int, compression: bytes = b"\0") -> bytes:
    """A ClientHello (RFC 5246 §7.4.1.2) as old as the version says."""
    ciphers = b"".join(cipher.to_bytes(2) for cipher in (*ECDHE, *more_ciphers))
    extensions = GROUPS + SIGNATURES
    body = version.to_bytes(2) + bytes(range(32)) + b"\0"
    body += len(ciphers).to_bytes(2) + ciphers + bytes([len(compression)]) + compression
    body += len(extensions).to_bytes(2) + extensions
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16" + min(version, 0x0301).to_bytes(2) + len(message).to_bytes(2) + message


def answer(port: int, sent: bytes) -> bytes:
    """The first record that comes back; nothing if the connection ends."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(sent)
        try:
            return client.recv(4096)
        except ConnectionResetError:
            return b""


def begins(port: int, sent: bytes) -> bool:
    """Whether a hello is answered with one."""
    return answer(port, sent)[:1] == bytes([HANDSHAKE])


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302], ids=["SSL 3", "TLS 1.0", "TLS 1.1"])
def test_no_old_version_is_spoken(edge: Secured, version: int) -> None:
    for port in (edge.port, edge.admin):
        assert not begins(port, hello(version))


def test_an_old_version_is_no_way_out_for_who_speaks_a_newer_one(edge: Secured) -> None:
    assert begins(edge.port, hello(TLS_1_2))
    assert not begins(edge.port, hello(TLS_1_2, FALLBACK))
    assert not begins(edge.admin, hello(TLS_1_2))


def test_what_ssl_2_says_first_begins_nothing(edge: Secured) -> None:
    assert not begins(edge.port, b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37))


def test_no_compression_is_chosen_where_it_is_offered(edge: Secured) -> None:
    record = answer(edge.port, hello(TLS_1_2, compression=b"\x01\0"))
    behind_session = 5 + 4 + 2 + 32 + 1 + record[5 + 4 + 2 + 32]
    cipher, compression = record[behind_session : behind_session + 2], record[behind_session + 2]
    assert int.from_bytes(cipher) in ECDHE[:2]
    assert compression == 0


# --- what goes on after a handshake -------------------------------------------------------------


def test_a_client_cannot_renegotiate(edge: Secured) -> None:
    where = ["-connect", f"127.0.0.1:{edge.port}", "-tls1_2"]
    client = subprocess.Popen(
        ["openssl", "s_client", *where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(b"R\n")  # s_client's command to renegotiate
        client.stdin.flush()
        said = client.stdout.read()  # until the connection ends
    assert b"Secure Renegotiation IS supported" in said
    assert b"RENEGOTIATING" in said
    assert b"no renegotiation" in said


class Talk(NamedTuple):
    """What a connection on which a request was answered came to."""

    session: ssl.SSLSession | None
    reused: bool | None

    @property
    def has_ticket(self) -> bool:
        """Whether the session can be taken up again."""
        return self.session is not None and self.session.has_ticket


def talk(context: ssl.SSLContext, port: int, session: ssl.SSLSession | None = None) -> Talk | None:
    """Ask for something; None if there is no answer."""
    plain = socket.create_connection(("127.0.0.1", port), SECONDS)
    with context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as client:
        try:
            client.sendall(b"GET /v1/edge HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            answered = client.recv(100).startswith(b"HTTP/1.1 4")
        except OSError:
            answered = False
        return Talk(client.session, client.session_reused) if answered else None


def test_no_session_is_taken_up_again_where_certificates_are_asked_for(edge: Secured) -> None:
    context = edge.context()
    public = talk(context, edge.port)
    assert public is not None
    assert talk(context, edge.admin, public.session) is None
    context.load_cert_chain(edge.folder / "client.pem")
    first = talk(context, edge.admin)
    assert first is not None
    assert not first.has_ticket
    second = talk(context, edge.admin, first.session)
    assert second is not None
    assert not second.reused


@pytest.mark.parametrize("name", ["unknown.example", "127.0.0.1", "x" * 60 + ".example", ""])
def test_whatever_name_is_asked_for_the_certificate_is_the_same(edge: Secured, name: str) -> None:
    named = ["-servername", name] if name else ["-noservername"]
    said = run(["openssl", "s_client", "-connect", f"127.0.0.1:{edge.port}", "-showcerts", *named])
    pem = (edge.folder / "server.pem").read_text().split("-----END")[0].strip()
    assert pem in said.stdout
    sent = (edge.folder / "server.pem").read_text().count("BEGIN")
    assert said.stdout.count("BEGIN CERTIFICATE") == sent


# --- the judge itself ---------------------------------------------------------------------------

WHAT = ("-p", "-s", "-f", "-P", "-S", "-U")
"""Protocols, kinds of ciphers, forward secrecy, preferences, defaults, known attacks."""

HARMLESS = {"OK", "INFO", "LOW", "WARN"}
"""WARN is what testssl.sh could not find out; where it gave up altogether, that is FATAL."""

NOT_OURS = ("cert_", "BREACH")
"""What is said of the tests' own authority, and of what functions compress."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_testssl_finds_no_weakness(edge: Secured, tmp_path: Path) -> None:
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if program is None:
        pytest.skip("testssl.sh is not installed")
    found = tmp_path / "found.json"
    how = [*WHAT, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]
    run([program, *how, "--jsonfile", str(found), f"https://127.0.0.1:{edge.port}/"], seconds=550)
    findings = json.loads(found.read_text())
    assert len(findings) > 60
    judged = [
        f"{each['severity']} {each['id']}: {each['finding']}"
        for each in findings
        if each["severity"] not in HARMLESS and not each["id"].startswith(NOT_OURS)
    ]
    assert judged == []
