"""TLS: both protocols by ALPN, and answers that broke off."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.support.certificates import self_signed
from tests.support.edge_server import Client, Running, running
from tests.support.processes import run
from tests.support.supervised_edge import command, supervised


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Running]:
    certfile, keyfile = self_signed(tmp_path)
    async with running(tmp_path, certfile=certfile, keyfile=keyfile) as served:
        yield served


@pytest.fixture
def trust(edge: Running, tmp_path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))


@pytest.mark.parametrize(("http2", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
async def test_both_protocols_are_spoken(
    edge: Running, trust: ssl.SSLContext, http2: bool, version: str
) -> None:
    async with httpx2.AsyncClient(verify=trust, http2=http2, trust_env=False) as client:
        with anyio.fail_after(10):
            url = f"https://127.0.0.1:{edge.port}"
            first = await client.get(f"{url}/target?x")
            answers = [await client.post(f"{url}/body", content=b"x" * 300_000) for _ in range(2)]
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(f"{url}/abort")
            after = await client.get(f"{url}/target")
    assert (first.http_version, first.text) == (version, "GET /target?x")
    assert [answer.text for answer in answers] == ["300000"] * 2
    assert after.text == "GET /target"


async def test_a_client_that_leaves_ends_its_request(edge: Running, trust: ssl.SSLContext) -> None:
    client = Client(*await asyncio.open_connection("127.0.0.1", edge.port, ssl=trust))
    client.send(b"GET /stuck HTTP/1.1\r\nhost: x\r\n\r\n")
    await client.until(b"waiting")
    client.close()
    await edge.until(lambda: edge.small.left == 1)
    await edge.until(lambda: not edge.server.connections)


async def test_an_early_answer_reaches_a_client_that_still_sends(
    edge: Running, trust: ssl.SSLContext
) -> None:
    client = Client(*await asyncio.open_connection("127.0.0.1", edge.port, ssl=trust))
    client.send(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n")
    head, body = await client.answer()
    client.send(b"x" * 2**20)
    await client.writer.drain()
    assert head.startswith(b"HTTP/1.1 413")
    assert body == b"no thanks"
    client.close()


async def test_plain_text_on_a_tls_port_does_no_harm(edge: Running, trust: ssl.SSLContext) -> None:
    assert b"HTTP/1.1 200" not in await edge.ask(b"GET /pid HTTP/1.1\r\nhost: x\r\n\r\n")
    async with httpx2.AsyncClient(verify=trust, trust_env=False) as client:
        assert (await client.get(f"https://127.0.0.1:{edge.port}/ready")).text == "ready"


def test_the_ready_line_says_https(tmp_path: Path) -> None:
    certfile, keyfile = self_signed(tmp_path)
    with supervised(tmp_path, certfile=str(certfile), keyfile=str(keyfile)) as served:
        assert served.address.startswith("https://127.0.0.1:")


def test_a_certificate_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    done = run(command(tmp_path, certfile=missing, keyfile=missing))
    assert done.returncode == 1
    assert f"The edge cannot start: certfile {missing} cannot be used" in done.stderr
