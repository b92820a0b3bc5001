"""The datagram sockets of a worker: which connection each packet is of, and which are begun.

Every worker serves HTTP/3 on sockets of its own (SO_REUSEPORT): the kernel sends a client's packets
to one of them by its address; what is another process's goes to it (`quic_relay`). Not here: what a
connection does (`hypercorn_http3`).
"""

import asyncio
import hashlib
import hmac
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.config import Config
from edge.events import Unread
from edge.server import quic_packets
from edge.server.acceptor import Acceptor
from edge.server.calm import Calm
from edge.server.certificates import CertificateError
from edge.server.hypercorn_http3 import Http3
from edge.server.quic_connection import ID, PREFIX, Address, Configuration, Quic, configured
from edge.server.quic_packets import Arrived, Proofs
from edge.server.quic_relay import Relay
from edge.server.refusals import TOO_MANY_CONNECTIONS

LOG = logging.getLogger("edge.server")

UNPROVEN = 64
"""Handshakes at once beyond which clients must prove their addresses first."""

SMALLEST_IDLE = 30.0
"""Seconds of silence for which a connection is kept at least: pings keep it while it is busy."""

_AT_ONCE = 64
_MOST = 2048
_BUFFER = 2 * 1024 * 1024


@dataclass(slots=True)
class Port:
    """One datagram socket, and the connections that came to it.

    Attributes:
        names: those of each connection.
    """

    endpoint: "Endpoint"
    sock: socket.socket
    names: dict[Http3, set[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is bound."""
        name = self.sock.getsockname()
        return name[0], name[1]

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram; it may be lost."""
        try:
            self.sock.sendto(data, address)
        except OSError:
            return  # there is no room, or no way: it is sent again, as what is lost elsewhere

    def named(self, connection: Http3, name: bytes) -> None:
        """Datagrams for this connection id are the connection's from now on."""
        self.names.setdefault(connection, set()).add(name)
        self.endpoint.connections[name] = connection

    def unnamed(self, name: bytes) -> None:
        """They no longer are."""
        connection = self.endpoint.connections.pop(name, None)
        if connection is not None:
            self.names[connection].discard(name)

    def forget(self, connection: Http3) -> None:
        """The connection is over."""
        for name in self.names.pop(connection, set()):
            self.endpoint.connections.pop(name, None)
        self.endpoint.unproven.discard(connection)


class Endpoint:
    """All datagram sockets of a worker.

    Attributes:
        connections: by the connection ids that they are sent to.
        unproven: those whose handshake goes on.
    """

    def __init__(
        self, config: Config, acceptor: Acceptor, sockets: Sequence[socket.socket]
    ) -> None:
        """Receive. Raises CertificateError, OSError."""
        self.connections: dict[bytes, Http3] = {}
        self.unproven: set[Http3] = set()
        self._config = config
        self._acceptor = acceptor
        self._loop = asyncio.get_running_loop()
        self._proofs = Proofs()
        self._resets = Calm(self._loop.time())
        self._refuses = False
        self._configuration = self._configured()
        self._key = self._key_for_resets()
        self._relay = Relay(config.data_dir, PREFIX, self._relayed)
        self._ports = [Port(self, sock) for sock in sockets]
        for port in self._ports:
            port.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            port.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._loop.add_reader(port.sock.fileno(), self._read, port)

    def renew(self) -> None:
        """Use the certificate as it is now for new connections."""
        try:
            self._configuration = self._configured()
        except CertificateError as error:
            LOG.error("%s HTTP/3 goes on with the one in use.", error)

    def begin_drain(self, *, succeeded: bool) -> None:
        """Begin no more connections; with a successor, leave the sockets to it."""
        self._refuses = True
        if succeeded:
            self._stop_reading()

    def close(self) -> None:
        """Receive nothing more."""
        self._stop_reading()
        self._relay.close()
        for port in self._ports:
            port.sock.close()

    def _stop_reading(self) -> None:
        for port in self._ports:
            self._loop.remove_reader(port.sock.fileno())

    def _configured(self) -> Configuration:
        config = self._config
        try:
            return configured(
                str(config.certfile), str(config.keyfile), max(config.keep_alive, SMALLEST_IDLE)
            )
        except (ValueError, TypeError, OSError) as error:
            raise CertificateError(
                f"certfile {config.certfile} cannot be used for HTTP/3: {error}."
            ) from error

    def _key_for_resets(self) -> bytes:
        """What every process of this edge knows, before and after a restart, and nobody else."""
        assert self._config.keyfile is not None  # noqa: S101 — or no certificate could be used
        secret = self._config.keyfile.read_bytes()
        return hmac.digest(secret, b"jelou-edge stateless reset", hashlib.sha256)

    def _read(self, port: Port) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = port.sock.recvfrom(_MOST)
            except OSError:
                return
            arrived = quic_packets.read(data)
            if arrived is not None:
                self._take(port, arrived, data, address)

    def _relayed(self, data: bytes, address: Address) -> None:
        """Another process has got what is ours."""
        arrived = quic_packets.read(data)
        if arrived is None:
            return
        connection = self.connections.get(arrived.name)
        if connection is not None:
            self._give(connection, data, address)
        elif arrived.is_of_a_connection:
            self._reset(self._ports[0], arrived, address)

    def _take(self, port: Port, arrived: Arrived, data: bytes, address: Address) -> None:
        name = arrived.name
        connection = self.connections.get(name)
        if connection is not None:
            self._give(connection, data, address)
        elif arrived.is_of_other_version:
            port.send(quic_packets.versions(arrived), address)
        elif len(name) == ID and self._is_of_others(name, data, address):
            return
        elif arrived.begins:
            self._admit(port, arrived, data, address)
        elif arrived.is_of_a_connection:
            self._reset(port, arrived, address)

    def _is_of_others(self, name: bytes, data: bytes, address: Address) -> bool:
        prefix = name[:PREFIX]
        return prefix != self._relay.prefix and self._relay.forward(prefix, data, address)

    def _give(self, connection: Http3, data: bytes, address: Address) -> None:
        try:
            connection.receive(data, address)
        except Exception:
            LOG.exception("a client connection failed")
            connection.abort()

    def _reset(self, port: Port, arrived: Arrived, address: Address) -> None:
        """Tell a client that its connection is no more."""
        if self._resets.spend(self._loop.time()):
            answer = quic_packets.reset(arrived, self._key)
            if answer:
                port.send(answer, address)

    def _admit(self, port: Port, arrived: Arrived, data: bytes, address: Address) -> None:
        """Begin a connection, if there may be one more."""
        if self._refuses or self._acceptor.full:
            self._acceptor.observe(Unread(TOO_MANY_CONNECTIONS.kind.code))
            port.send(quic_packets.closed(arrived, quic_packets.REFUSED), address)
            return
        now = self._loop.time()
        original = self._proofs.original(arrived, address, now) if arrived.header.token else None
        if original is None and self._is_pressed():
            asked = self._proofs.ask(arrived, address, now)
            refused = quic_packets.closed(arrived, quic_packets.INVALID_TOKEN)
            port.send(refused if arrived.header.token else asked, address)
            return
        self._begin(port, arrived, original, data, address)

    def _is_pressed(self) -> bool:
        if len(self.unproven) >= UNPROVEN:
            self.unproven = {each for each in self.unproven if not each.proven}
        return len(self.unproven) >= UNPROVEN

    def _begin(
        self, port: Port, arrived: Arrived, original: bytes | None, data: bytes, address: Address
    ) -> None:
        retried = None if original is None else arrived.name
        quic = Quic(
            self._configuration, original or arrived.name, retried, self._relay.prefix, self._key
        )
        connection = Http3(self._acceptor.shared, quic, port, port.address)
        self._give(connection, data, address)
        if not quic.begun:
            return  # it was noise
        port.named(connection, arrived.name)
        port.named(connection, quic.host_cid)
        self.unproven.add(connection)
        self._acceptor.keep(connection, connection.run())
