"""A scriptable origin server that misbehaves on purpose, over TCP, TLS or a Unix socket.

A *behaviour* is what it does with each connection it accepts: an async function of a `Visit`. The
functions at the end of this module are one each for the ways in which upstreams are known to fail.
"""

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import os
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.functions import Tls, Upstream

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@dataclass
class Seen:
    """A request as it arrived."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    raw: bytes
    body: bytes = b""
    whole: bool = False

    def values(self, name: bytes) -> list[bytes]:
        """Every value of one field."""
        return [value for key, value in self.headers if key.lower() == name]


class Visit:
    """One accepted connection.

    Attributes:
        number: 0 for the origin's first connection, and so on.
        left: set once the peer has closed or reset the connection.
    """

    def __init__(
        self,
        origin: "Origin",
        number: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.origin = origin
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> Seen:
        """Read a whole request; it is also noted in `Origin.seen`."""
        seen = await self.head()
        seen.body = await self.body(seen)
        seen.whole = True
        return seen

    async def head(self) -> Seen:
        """Read a request's head alone."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw[:-4].split(b"\r\n")
        method, target, _ = first.split(b" ")
        fields = [line.split(b": ", 1) for line in lines]
        seen = Seen(method, target, [(name, value) for name, value in fields], raw)
        self.origin.seen.append(seen)
        return seen

    async def body(self, seen: Seen) -> bytes:
        """Read the body that belongs to a head."""
        if seen.values(b"transfer-encoding"):
            return await self._chunked()
        lengths = seen.values(b"content-length")
        return await self.reader.readexactly(int(lengths[0])) if lengths else b""

    async def _chunked(self) -> bytes:
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(pieces)

    async def send(self, data: bytes) -> None:
        """Send bytes, waiting while the peer is slow."""
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Send bytes one by one, each in a packet of its own."""
        for at in range(len(data)):
            await self.send(data[at : at + 1])
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Close with a TCP reset; on a Unix socket, at once."""
        raw = self.writer.get_extra_info("socket")
        if raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def reset_now(self) -> None:
        """Reset before this returns, behind the event loop's back."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        with socket.socket() as unconnected:
            # Takes the place of the connection's last descriptor, which closes it.
            os.dup2(unconnected.fileno(), raw.fileno())

    def close(self) -> None:
        """Close in good order."""
        self.writer.close()

    async def gone(self) -> bytes:
        """Wait until the peer has closed or reset; what it still sent before."""
        rest = b""
        with contextlib.suppress(OSError):
            while data := await self.reader.read(65536):
                rest += data
        self.origin.departures.release()
        return rest


Behaviour = Callable[[Visit], Awaitable[None]]


@dataclass
class Origin:
    """A running origin.

    Attributes:
        upstream: its address, as the edge's vocabulary has it.
        visits: connections accepted so far.
        seen: requests whose heads have arrived, in order.
        latest: the last connection accepted.
        departures: released each time `Visit.gone` has seen a peer leave.
        behaviour: what is done with the next connection; may be changed at any time.
        cue: for behaviours that do something when the test says so.
    """

    behaviour: Behaviour
    upstream: Upstream = field(default_factory=lambda: Upstream("http"))
    visits: int = 0
    seen: list[Seen] = field(default_factory=list)
    departures: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    cue: asyncio.Event = field(default_factory=asyncio.Event)
    problems: list[BaseException] = field(default_factory=list)
    latest: Visit = field(init=False)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its address as one writes it in a project file."""
        return self.upstream.url

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection; see `asyncio.start_server`."""
        visit = self.latest = Visit(self, self.visits, reader, writer)
        self.visits += 1
        task = asyncio.create_task(self._behave(visit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _behave(self, visit: Visit) -> None:
        try:
            await self.behaviour(visit)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the peer left
        except Exception as error:
            self.problems.append(error)
        finally:
            visit.writer.close()

    async def stop(self) -> None:
        """End every connection; raises what a behaviour tripped over."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.problems:
            raise self.problems[0]


@asynccontextmanager
async def serving(
    behaviour: Behaviour, *, path: Path | None = None, certificate: "Certificate | None" = None
) -> AsyncIterator[Origin]:
    """An origin on a free port of 127.0.0.1, over TLS if a certificate is given, or on a path."""
    origin = Origin(behaviour)
    if path is not None:
        server = await asyncio.start_unix_server(origin.accept, path)
        origin.upstream = Upstream("unix", socket=str(path))
    else:
        context = None if certificate is None else certificate.server_context()
        server = await asyncio.start_server(origin.accept, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        if certificate is None:
            origin.upstream = Upstream("http", "127.0.0.1", port)
        else:
            tls = Tls(ca_file=str(certificate.file))
            origin.upstream = Upstream("https", "127.0.0.1", port, tls=tls)
    try:
        yield origin
    finally:
        server.close()
        await origin.stop()


@functools.cache
def _never_listening() -> socket.socket:
    """A socket that keeps its port from everybody else for as long as the tests run."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


def refusing() -> Upstream:
    """An address on which nothing listens."""
    return Upstream("http", "127.0.0.1", _never_listening().getsockname()[1])


@asynccontextmanager
async def unresponsive() -> AsyncIterator[Upstream]:
    """An address whose connections are never accepted, nor refused: its backlog is full."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield Upstream("http", "127.0.0.1", listener.getsockname()[1])


@dataclass
class Certificate:
    """A self-signed certificate for `name`, its key in the same file."""

    file: Path
    name: str

    def server_context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


def self_signed(directory: Path, name: str = "127.0.0.1") -> Certificate:
    """Make a certificate for an IP address or a host name, good from yesterday to tomorrow."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = directory / f"{name}.pem"
    file.write_bytes(pem)
    return Certificate(file, name)


@contextmanager
def failing_handshakes(certificate: Certificate, count: int) -> Iterator[Upstream]:
    """A TLS address that hangs up on so many connections, then answers one."""

    def serve() -> None:
        for _ in range(count):
            listener.accept()[0].close()
        with contextlib.suppress(OSError):  # closed when there is no further connection
            raw, _ = listener.accept()
            with certificate.server_context().wrap_socket(raw, server_side=True) as tls:
                while not tls.recv(65536).endswith(b"\r\n\r\nx"):
                    pass
                tls.sendall(OK)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        tls = Tls(ca_file=str(certificate.file))
        yield Upstream("https", "127.0.0.1", listener.getsockname()[1], tls=tls)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


# Behaviours, made to measure.


def answering(answer: bytes, *, dripped: bool = False) -> Behaviour:
    """Reads each request whole and sends the same bytes, for as long as the peer stays."""

    async def behave(visit: Visit) -> None:
        while True:
            await visit.request()
            await (visit.drip(answer) if dripped else visit.send(answer))

    return behave


def closing_after(answer: bytes) -> Behaviour:
    """Reads one request, sends bytes and closes in good order."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer)
        visit.close()

    return behave


def resetting_after(answer: bytes) -> Behaviour:
    """Reads one request, sends bytes and resets the connection."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer)
        visit.reset()

    return behave


def silent_after(answer: bytes) -> Behaviour:
    """Reads one request, sends bytes and then nothing, until the peer leaves."""

    async def behave(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer)
        await visit.gone()

    return behave


def interim(count: int, status: bytes = b"103 Early Hints") -> Behaviour:
    """Sends so many interim answers before the final one."""
    return answering(b"HTTP/1.1 %b\r\nlink: </a>\r\n\r\n" % status * count + OK)


def huge_head(size: int) -> Behaviour:
    """Sends a head of so many bytes, its empty line included."""
    start, end = b"HTTP/1.1 200 OK\r\nx: ", b"\r\ncontent-length: 0\r\n\r\n"
    return answering(start + b"a" * (size - len(start) - len(end)) + end)


def many_fields(count: int) -> Behaviour:
    """Sends a head of so many fields."""
    fields = b"".join(b"x-%d: a\r\n" % number for number in range(count - 1))
    return answering(b"HTTP/1.1 200 OK\r\n" + fields + b"content-length: 0\r\n\r\n")


# Behaviours, ready made.


async def echoes(visit: Visit) -> None:
    """Answers each request with its body."""
    while True:
        seen = await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(seen.body))
        await visit.send(seen.body)


async def closes_at_once(visit: Visit) -> None:
    """Closes without having read anything."""
    visit.close()


async def hangs(visit: Visit) -> None:
    """Takes whatever comes and says nothing."""
    await visit.gone()


async def resets_before_head(visit: Visit) -> None:
    """Resets once the request has come."""
    await visit.request()
    visit.reset()


async def closes_when_idle(visit: Visit) -> None:
    """Answers as if it kept the connection, and closes it on cue."""
    await visit.request()
    await visit.send(OK)
    await visit.origin.cue.wait()
    visit.close()


async def closes_on_second_request(visit: Visit) -> None:
    """Keeps the connection, then closes under the second request without a word."""
    await visit.request()
    await visit.send(EMPTY)
    await visit.request()
    visit.close()


async def resets_on_second_request(visit: Visit) -> None:
    """Keeps the connection, then resets it under the second request without a word."""
    await visit.request()
    await visit.send(EMPTY)
    await visit.request()
    visit.reset()


async def speaks_unasked(visit: Visit) -> None:
    """After an answer, and on cue, sends another that nobody asked for."""
    await visit.request()
    await visit.send(OK)
    await visit.origin.cue.wait()
    await visit.send(OK.replace(b"ok", b"no"))
    await visit.gone()


async def refuses_the_body(visit: Visit) -> None:
    """Answers 413 at the head, reads no body and closes, so that more of it is met by a reset."""
    await visit.head()
    await visit.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig")
    visit.close()


async def answers_early(visit: Visit) -> None:
    """Answers whole at the head, though it goes on reading the body."""
    await visit.head()
    await visit.send(OK)
    await visit.gone()


async def mirrors(visit: Visit) -> None:
    """Sends its head at once, then each chunk of the request back as it comes."""
    await visit.head()
    await visit.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        line = await visit.reader.readuntil(b"\r\n")
        chunk = await visit.reader.readexactly(int(line, 16) + 2)
        await visit.send(line + chunk)


async def never_reads_the_body(visit: Visit) -> None:
    """Reads the head and then nothing, until the test ends."""
    await visit.head()
    visit.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


async def switches_protocols(visit: Visit) -> None:
    """Answers 101 with the first bytes of the other protocol, then echoes them."""
    await visit.head()
    await visit.send(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
        b"upgrade: websocket\r\n\r\nhello"
    )
    while data := await visit.reader.read(65536):
        await visit.send(data)
    visit.close()
