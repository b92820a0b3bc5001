"""Binding: which sockets the edge listens on, and what says that it cannot.

Every worker slot has a socket of its own on each TCP address (SO_REUSEPORT): one socket shared by
several asyncio workers gave a single one up to all connections. Unix sockets are shared, and so are
those that a service manager passes if it passes fewer than there are workers. HTTP/3 has datagram
sockets of every worker at the same addresses.
"""

import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge.config import ADMIN_SOCKET, Config
from edge.server.service_manager import Passed, address_of
from edge.settings import Address, parse_address


class BindError(Exception):
    """An address that cannot be bound; the text says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The sockets of one worker and of those that replace it."""

    public: tuple[socket.socket, ...]
    local_admin: tuple[socket.socket, ...]
    remote_admin: tuple[socket.socket, ...]
    datagrams: tuple[socket.socket, ...] = ()

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Every socket of the slot."""
        return self.public + self.local_admin + self.remote_admin + self.datagrams

    def close_own(self) -> None:
        """Close what is the slot's alone; Unix sockets are every slot's."""
        for sock in self.all:
            if sock.family != socket.AF_UNIX:
                sock.close()


@dataclass(frozen=True, slots=True)
class Bound:
    """Everything that was bound.

    Attributes:
        addresses: the public addresses, ports included, in the order of `bind`.
        admin: the admin address likewise, or None.
        unix_paths: sockets in the file system, to be removed at the end.
        asked: every socket, with the setting that it was bound for.
        passed: the settings among those whose sockets a service manager passed.
    """

    slots: tuple[Slot, ...]
    addresses: tuple[str, ...]
    admin: str | None
    unix_paths: tuple[Path, ...]
    asked: tuple[tuple[str, socket.socket], ...]
    passed: tuple[str, ...]

    def close(self, *, remove: bool = True) -> None:
        """Close all sockets, and remove the Unix ones."""
        for slot in self.slots:
            for sock in slot.all:
                sock.close()
        for path in self.unix_paths if remove else ():
            path.unlink(missing_ok=True)


Taken = Mapping[str, list[socket.socket]]
"""Sockets of another edge, listening already, by the setting that they were bound for."""

_NONE: Taken = MappingProxyType({})


def bind_all(config: Config, taken: Taken = _NONE, passed: Passed = _NONE) -> Bound:
    """Bind every address for every worker.

    Args:
        taken: what is used where the same addresses are to be bound; the rest is closed.
        passed: by a service manager, for addresses of `config.bind`; nothing more is bound there.

    Raises:
        BindError: nothing stays bound then.
    """
    opened = [sock for each in (taken, passed) for socks in each.values() for sock in socks]
    paths: list[Path] = []
    try:
        admin_path = _data_directory(config.data_dir) / ADMIN_SOCKET
        binding = _Binding(config.workers, opened, paths, taken, passed)
        admin_unix = binding.bind(f"unix:{admin_path}", private=True)
        public = [binding.bind(address) for address in config.bind]
        admin = [binding.bind(config.admin)] if config.admin else []
        datagrams = [binding.bind_datagrams(shares) for shares in public] if config.http3 else []
    except BindError:
        _give_up(opened, paths)
        raise
    binding.close_unused()
    asked = [(f"unix:{admin_path}", admin_unix)]
    asked += zip((*config.bind, *filter(None, [config.admin])), public + admin, strict=True)
    asked += [("http3", shares) for shares in datagrams]
    return Bound(
        slots=tuple(
            Slot(
                public=tuple(sock for shares in public for sock in shares[index]),
                local_admin=admin_unix[index],
                remote_admin=tuple(sock for shares in admin for sock in shares[index]),
                datagrams=tuple(sock for shares in datagrams for sock in shares[index]),
            )
            for index in range(config.workers)
        ),
        addresses=tuple(address_of(shares[0][0]) for shares in public),
        admin=address_of(admin[0][0][0]) if admin else None,
        unix_paths=(*paths, *binding.inherited),
        asked=tuple((text, sock) for text, shares in asked for sock in _distinct(shares)),
        passed=tuple(passed),
    )


def check_free(text: str) -> None:
    """See that a TCP address can be bound; what is left bound is nothing. Raises BindError."""
    address = parse_address(text)
    if not address.path and address.port:
        _check_free(*_resolve(address), text)


Shares = list[tuple[socket.socket, ...]]
"""The sockets of one address, by slot."""


@dataclass(slots=True)
class _Binding:
    """Binds for so many workers, with what another edge has bound already."""

    workers: int
    opened: list[socket.socket]
    paths: list[Path]
    taken: Taken
    passed: Passed
    used: list[socket.socket] = field(default_factory=list)
    inherited: list[Path] = field(default_factory=list)

    def bind(self, text: str, *, private: bool = False) -> Shares:
        """The sockets of one address. Raises BindError."""
        if text in self.passed:
            return _dealt(self.passed[text], self.workers, self.opened)
        address = parse_address(text)
        found = self._found(text)
        if address.path:
            path = Path(address.path)
            if found:
                self.inherited.append(path)
            shared = found or [_bind_unix(path, self.opened, self.paths, private=private)]
            return [(shared[0],)] * self.workers
        bound = _bind(address, text, self.workers, self.opened, found)
        return [tuple(bound[index :: self.workers]) for index in range(self.workers)]

    def close_unused(self) -> None:
        """Close what another edge listens on, and this one not."""
        for sockets in self.taken.values():
            for sock in sockets:
                if sock not in self.used:
                    sock.close()

    def bind_datagrams(self, shares: Shares) -> Shares:
        """Datagram sockets at a bound address, none at a Unix socket. Raises BindError."""
        beside = shares[0][0]
        if beside.family == socket.AF_UNIX:
            return [()] * self.workers
        resolved, text = beside.getsockname(), f"UDP {address_of(beside)}"
        bound = [
            sock
            for sockets in self.taken.values()
            for sock in sockets
            if sock.type == socket.SOCK_DGRAM and sock.getsockname() == resolved
        ]
        self.used += bound
        if not bound:
            _check_free_datagrams(beside.family, resolved, text)
        bound += [
            _bind_udp(beside.family, resolved, text, self.opened)
            for _ in range(len(bound), self.workers)
        ]
        return [tuple(bound[index :: self.workers]) for index in range(self.workers)]

    def _found(self, text: str) -> list[socket.socket]:
        for asked, sockets in self.taken.items():
            is_another = sockets[0] in self.used or sockets[0].type != socket.SOCK_STREAM
            if not is_another and text in (asked, address_of(sockets[0])):
                self.used += sockets
                return sockets
        return []


def _dealt(found: Sequence[socket.socket], workers: int, opened: list[socket.socket]) -> Shares:
    """Sockets for each worker; where there are fewer, several have one, each its own end of it."""
    more = [found[each % len(found)].dup() for each in range(len(found), workers)]
    opened += more
    every = [*found, *more]
    return [tuple(every[index::workers]) for index in range(workers)]


def _distinct(shares: Shares) -> Iterable[socket.socket]:
    return dict.fromkeys(sock for share in shares for sock in share)


def _give_up(opened: list[socket.socket], paths: list[Path]) -> None:
    for sock in opened:
        sock.close()
    for path in paths:
        path.unlink(missing_ok=True)


def _data_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BindError(
            f"The data directory {path} cannot be made: {error.strerror}. "
            "Name another one with --data-dir."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise BindError(
            f"The data directory {path} cannot be written: permission denied. "
            "See that it belongs to the user who runs this, or name another one with --data-dir."
        )
    return path


def _bind(
    address: Address,
    text: str,
    workers: int,
    opened: list[socket.socket],
    found: Sequence[socket.socket],
) -> list[socket.socket]:
    """A socket for each worker at least; those that are found are used, however many."""
    bound = list(found)
    if found:
        family, resolved = found[0].family, found[0].getsockname()
    else:
        family, resolved = _resolve(address)
        if address.port:
            _check_free(family, resolved, text)
    for _ in range(len(found), workers):
        sock = _bind_tcp(family, resolved, text, opened)
        resolved = (resolved[0], sock.getsockname()[1], *resolved[2:])
        bound.append(sock)
    return bound


def _resolve(address: Address) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BindError(f"{address} cannot be resolved: {error.strerror}.") from error
    return found[0][0], found[0][4]


def _check_free(family: socket.AddressFamily, resolved: tuple[Any, ...], text: str) -> None:
    """SO_REUSEPORT would quietly share the port with another edge of the same user."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind_or_say(probe, resolved, text)
        try:
            probe.listen(1)
        except OSError as error:
            raise _bind_error(text, error) from error


def _bind_tcp(
    family: socket.AddressFamily,
    resolved: tuple[Any, ...],
    text: str,
    opened: list[socket.socket],
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    opened.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    _bind_or_say(sock, resolved, text)
    return sock


def _check_free_datagrams(
    family: socket.AddressFamily, resolved: tuple[Any, ...], text: str
) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        _bind_or_say(probe, resolved, text)


def _bind_udp(
    family: socket.AddressFamily,
    resolved: tuple[Any, ...],
    text: str,
    opened: list[socket.socket],
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    opened.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    _bind_or_say(sock, resolved, text)
    return sock


def _bind_or_say(sock: socket.socket, resolved: tuple[Any, ...], text: str) -> None:
    try:
        sock.bind(resolved)
    except OSError as error:
        raise _bind_error(text, error) from error


def _bind_error(text: str, error: OSError) -> BindError:
    advice = {
        errno.EADDRINUSE: "another program listens there; stop it or choose another with --bind",
        errno.EACCES: "this user may not; ports below 1024 need the right to bind them",
        errno.EADDRNOTAVAIL: "this machine has no such address",
    }.get(error.errno or 0, error.strerror or str(error))
    return BindError(f"{text} cannot be bound: {advice}.")


def _bind_unix(
    path: Path, opened: list[socket.socket], paths: list[Path], *, private: bool
) -> socket.socket:
    _clear_stale(path, private=private)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.append(sock)
    sock.setblocking(False)
    mask = os.umask(0o177) if private else None
    try:
        sock.bind(str(path))
    except OSError as error:
        raise _unix_error(path, error, private=private) from error
    finally:
        if mask is not None:
            os.umask(mask)
    paths.append(path)
    return sock


def _unix_error(path: Path, error: OSError, *, private: bool) -> BindError:
    reason = error.strerror or "the path is too long for a Unix socket (107 bytes at most)"
    if private:
        return BindError(
            f"The data directory {path.parent} cannot hold {path.name}: {reason}. "
            "Name another one with --data-dir."
        )
    return BindError(f"{path} cannot be bound: {reason}.")


def _clear_stale(path: Path, *, private: bool) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise BindError(f"{path} is in the way: it is not a socket.")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unix_error(path, error, private=private) from error
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass
    if private:
        raise BindError(f"Another edge runs on this data directory ({path.parent}).")
    raise BindError(f"{path} cannot be bound: another program listens there.")
