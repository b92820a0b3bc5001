"""Certificates at the front: which are taken, how they change, and what TLS is spoken."""

import asyncio
import logging
import os
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives import serialization

from edge.config import Config
from edge.server.certificates import CertificateError, Certificates, check
from tests.support.certificates import DAY, Issued, self_signed
from tests.support.edge_server import Client, Running, running
from tests.support.processes import run
from tests.support.supervised_edge import command, supervised, until

Files = tuple[Path, Path]


def other_key(folder: Path) -> Files:
    return self_signed(folder)[0], self_signed(folder, name="other-")[1]


def expired(folder: Path) -> Files:
    return self_signed(folder, since=-2 * DAY, until=timedelta(minutes=-1))


def not_valid_yet(folder: Path) -> Files:
    return self_signed(folder, since=timedelta(minutes=5), until=DAY)


def no_pem(folder: Path) -> Files:
    certificate, key = self_signed(folder)
    certificate.write_text("nothing of the kind")
    return certificate, key


def cut_off(folder: Path) -> Files:
    certificate, key = self_signed(folder)
    certificate.write_bytes(certificate.read_bytes()[:300])
    return certificate, key


def swapped(folder: Path) -> Files:
    certificate, key = self_signed(folder)
    return key, certificate


def without_key(folder: Path) -> Files:
    return self_signed(folder)[0], folder / "nowhere.pem"


def encrypted(folder: Path) -> Files:
    certificate, key = self_signed(folder)
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    how = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, how))
    return certificate, key


BAD = {
    other_key: "the key is not that of the certificate",
    expired: "the certificate expired",
    not_valid_yet: "the certificate is not valid yet",
    no_pem: "not valid PEM",
    cut_off: "not valid PEM",
    swapped: "not valid PEM",
    without_key: "nowhere.pem: No such file or directory",
    encrypted: "the key is encrypted",
}


@pytest.mark.parametrize(("make", "why"), BAD.items(), ids=[make.__name__ for make in BAD])
def test_a_pair_that_is_of_no_use_is_named_with_the_reason(
    tmp_path: Path, make: Callable[[Path], Files], why: str
) -> None:
    certfile, keyfile = make(tmp_path)
    with pytest.raises(CertificateError) as raised:
        check(Config(tmp_path, certfile=certfile, keyfile=keyfile))
    assert str(raised.value).startswith(
        f"certfile {certfile} cannot be used with keyfile {keyfile}"
    )
    assert why in str(raised.value)


@pytest.mark.parametrize("make", [other_key, expired, encrypted])
def test_an_edge_does_not_start_on_it(tmp_path: Path, make: Callable[[Path], Files]) -> None:
    certfile, keyfile = make(tmp_path)
    done = run(command(tmp_path / "data", certfile=str(certfile), keyfile=str(keyfile)))
    assert done.returncode == 1
    assert done.stderr == f"The edge cannot start: {_problem(certfile, keyfile)}\n"
    assert not (tmp_path / "data").exists()


def _problem(certfile: Path, keyfile: Path) -> str:
    with pytest.raises(CertificateError) as raised:
        check(Config(Path("/"), certfile=certfile, keyfile=keyfile))
    return str(raised.value)


@pytest.mark.parametrize("make", BAD, ids=[make.__name__ for make in BAD])
def test_a_new_pair_that_is_of_no_use_leaves_the_old_one_and_is_logged(
    tmp_path: Path, make: Callable[[Path], Files], caplog: pytest.LogCaptureFixture
) -> None:
    certfile, keyfile = self_signed(tmp_path, name="live-")
    before = certfile.read_bytes()
    used = Certificates(Config(tmp_path, certfile=certfile, keyfile=keyfile))
    bad = make(tmp_path)
    certfile.write_bytes(bad[0].read_bytes())
    keyfile.unlink()
    if bad[1].exists():
        keyfile.write_bytes(bad[1].read_bytes())
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            used.look()
    assert shown(used) == before
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"certfile {certfile} cannot be used")
    assert line.endswith("The certificate in use stays.")


@pytest.mark.parametrize("manner", ["written", "moved into place", "behind a link"])
def test_a_new_pair_is_used_once_it_has_come_to_rest(tmp_path: Path, manner: str) -> None:
    old, new = (tmp_path / name for name in ("old", "new"))
    old.mkdir()
    new.mkdir()
    live = tmp_path / "live"
    live.symlink_to(old)
    self_signed(old)
    self_signed(new)
    used = Certificates(Config(tmp_path, certfile=live / "cert.pem", keyfile=live / "key.pem"))
    used.look()
    if manner == "behind a link":
        (tmp_path / "next").symlink_to(new)
        (tmp_path / "next").rename(live)
    for name in ("cert.pem", "key.pem"):
        if manner == "written":
            (old / name).write_bytes((new / name).read_bytes())
        elif manner == "moved into place":
            os.link(new / name, new / f"{name}.new")
            (new / f"{name}.new").rename(old / name)
    used.look()
    used.look()
    assert shown(used) == (new / "cert.pem").read_bytes()


def test_files_that_are_only_half_written_are_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    used = Certificates(Config(tmp_path, certfile=certfile, keyfile=keyfile))
    other = self_signed(tmp_path, name="other-")
    certfile.write_bytes(other[0].read_bytes())
    used.look()
    keyfile.write_bytes(other[1].read_bytes())
    with caplog.at_level(logging.ERROR):
        used.look()
        used.look()
    assert (shown(used), caplog.records) == (other[0].read_bytes(), [])


def shown(used: Certificates) -> bytes:
    """The certificate that a client sees, in PEM."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server = used.public.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for side in (theirs, server, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ssl.DER_cert_to_PEM_cert(theirs.getpeercert(binary_form=True) or b"").encode()


async def seen(port: int) -> bytes:
    """The certificate that a new connection is shown, in PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with anyio.fail_after(5):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return ssl.DER_cert_to_PEM_cert(shown).encode()


async def test_a_connection_that_is_open_goes_on_while_the_certificate_changes(
    tmp_path: Path,
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    trust = ssl.create_default_context(cafile=str(certfile))
    before = certfile.read_bytes()
    async with running(tmp_path, certfile=certfile, keyfile=keyfile) as edge:
        client = Client(*await asyncio.open_connection("127.0.0.1", edge.port, ssl=trust))
        assert await client.get("/target") == b"GET /target"
        assert await seen(edge.port) == before
        client.send(b"GET /slow?0.5 HTTP/1.1\r\nhost: x\r\n\r\n")
        await client.until(b"begun")
        self_signed(tmp_path)
        edge.server.reload_certificates()
        assert await seen(edge.port) == certfile.read_bytes() != before
        await client.until(b" done")
        await client.until(b"0\r\n\r\n")
        assert await client.get("/target") == b"GET /target"
        client.close()


def test_every_worker_of_a_running_edge_sees_new_files_by_itself_and_on_sighup(
    tmp_path: Path,
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    settings: dict[str, Any] = {"certfile": str(certfile), "keyfile": str(keyfile), "workers": 2}
    with supervised(tmp_path / "data", **settings) as edge:
        workers = edge.workers()
        port = int(edge.address.rpartition(":")[2])

        def all_see_it() -> bool:
            served = certfile.read_text()
            return all(ssl.get_server_certificate(("127.0.0.1", port)) == served for _ in range(30))

        self_signed(tmp_path)
        until(all_see_it)
        stat = certfile.stat(), keyfile.stat()
        self_signed(tmp_path)
        for file, was in zip((certfile, keyfile), stat, strict=True):
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        edge.program.process.send_signal(1)
        until(all_see_it)
        assert edge.workers() == workers


async def hello(edge: Running, context: ssl.SSLContext) -> tuple[str | None, str, str | None]:
    """The protocol by ALPN, the version and the cipher of a handshake."""
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with anyio.fail_after(5):
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    writer.close()
    return tls.selected_alpn_protocol(), tls.version(), tls.cipher()[0]


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/3", "http/1.1"], "http/1.1"),
        ([], None),
    ],
)
async def test_http2_is_spoken_where_a_client_can(
    tmp_path: Path, offered: list[str], spoken: str | None
) -> None:
    certfile, keyfile = self_signed(tmp_path)
    async with running(tmp_path, certfile=certfile, keyfile=keyfile) as edge:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(offered)
        assert (await hello(edge, context))[0] == spoken


OPENSSL = ("openssl", "s_client", "-brief", "-connect")
REFUSED = {
    "TLS 1.1": ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
    "TLS 1.0": ("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
    "CBC": ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA"),
    "no forward secrecy": ("-tls1_2", "-cipher", "AES256-GCM-SHA384:AES128-SHA"),
    "no authentication": ("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"),
}
TAKEN = {
    "TLS 1.3": ("-tls1_3",),
    "TLS 1.2, AES": ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    "TLS 1.2, ChaCha20": ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"),
}


@pytest.mark.parametrize("name", [*REFUSED, *TAKEN])
async def test_old_versions_and_weak_ciphers_are_not_spoken(tmp_path: Path, name: str) -> None:
    certfile, keyfile = self_signed(tmp_path)
    async with running(tmp_path, certfile=certfile, keyfile=keyfile) as edge:
        options = {**REFUSED, **TAKEN}[name]
        said = await _openssl(edge.port, *options)
    assert ("CONNECTION ESTABLISHED" in said) is (name in TAKEN), said


async def test_renegotiation_and_compression_are_not_to_be_had(tmp_path: Path) -> None:
    certfile, keyfile = self_signed(tmp_path)
    used = Certificates(Config(tmp_path, certfile=certfile, keyfile=keyfile))
    for context in (used.public, used.admin):
        wanted = ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        assert context.options & wanted == wanted


async def _openssl(port: int, *options: str) -> str:
    command = (*OPENSSL, f"127.0.0.1:{port}", *options)
    done = await anyio.run_process(command, input=b"", check=False, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("how", ["at once", "amid the handshake"])
async def test_who_does_not_shake_hands_is_let_go_of(tmp_path: Path, how: str) -> None:
    certfile, keyfile = self_signed(tmp_path)
    async with running(tmp_path, certfile=certfile, keyfile=keyfile, head_timeout=0.3) as edge:
        client = await edge.connect()
        if how != "at once":
            client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        with suppress(ConnectionResetError):
            assert await client.rest() == b""
        assert edge.server.connections == []
        client.close()


def admin_settings(folder: Path) -> dict[str, Any]:
    authority = Issued.make("authority")
    (folder / "ca.pem").write_bytes(authority.certificate_pem)
    for name, issuer in (("good", authority), ("strange", Issued.make("stranger"))):
        made = Issued.make(name, issuer)
        (folder / f"{name}.pem").write_bytes(made.certificate_pem + made.key_pem)
    old = Issued.make("old", authority, -2 * DAY, timedelta(minutes=-1))
    (folder / "expired.pem").write_bytes(old.certificate_pem + old.key_pem)
    certfile, keyfile = self_signed(folder)
    return {
        "certfile": str(certfile),
        "keyfile": str(keyfile),
        "admin": f"127.0.0.1:{free_port()}",
        "admin_client_ca": str(folder / "ca.pem"),
    }


@pytest.mark.parametrize(
    ("shows", "let_in"),
    [("good", True), ("strange", False), ("expired", False), (None, False)],
)
def test_only_a_certificate_of_the_authority_is_let_in(
    tmp_path: Path, shows: str | None, let_in: bool
) -> None:
    settings = admin_settings(tmp_path)
    with supervised(tmp_path / "data", **settings) as edge:
        file = tmp_path / f"{shows}.pem" if shows else None
        assert asks(settings["admin"], tmp_path / "cert.pem", file) is let_in
        public = edge.address.removeprefix("https://")
        assert asks(public, tmp_path / "cert.pem", None, "/pid")  # which is open to all


def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    settings = admin_settings(tmp_path)
    (tmp_path / "ca.pem").write_text("no authority")
    done = run(command(tmp_path / "data", **settings))
    assert done.returncode == 1
    assert f"admin_client_ca {tmp_path / 'ca.pem'} cannot be used" in done.stderr


def asks(address: str, trusted: Path, shown: Path | None, target: str = "/") -> bool:
    """Whether a request is answered to a client that shows a certificate."""
    context = ssl.create_default_context(cafile=str(trusted))
    if shown is not None:
        context.load_cert_chain(shown)
    host, _, port = address.rpartition(":")
    try:
        with (
            socket.create_connection((host, int(port)), 5) as plain,
            context.wrap_socket(plain, server_hostname=host) as client,
        ):
            client.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            return client.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
