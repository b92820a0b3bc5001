"""The kinds of value a setting can hold: how each is read and written. Pure.

`edge/config.py` says which settings there are; nothing here knows one by name.
"""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

Number = TypeVar("Number", int, float)

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SIZES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_DURATIONS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_BIND = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Attributes:
        metavar: what stands for the value in a usage line; empty for a switch.
        parse: reads what a flag, variable or TOML key holds; raises ValueError saying what to
            write.
        plain: the value as JSON and TOML can hold it.
    """

    metavar: str
    parse: Callable[[object], Any]
    plain: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True, slots=True)
class Address:
    """A bind address, taken apart.

    Attributes:
        host: a name or address without brackets; empty for a Unix socket.
        path: of a Unix socket, else empty.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(value: str) -> Address:
    """Take `host:port`, `[v6]:port` or `unix:/path` apart. Raises ValueError."""
    if value.startswith("unix:/"):
        return Address(path=value.removeprefix("unix:"))
    match = _BIND.fullmatch(value)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(
            f'"{value}" is not an address: write host:port, [::1]:8080 or unix:/absolute/path'
        )
    if match["six"]:
        ipaddress.IPv6Address(match["six"])
    return Address(match["six"] or match["host"], int(match["port"]))


def _string(value: object) -> str:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError(f"{value!r} must be a text that is not empty")
    return str(value).strip()


def _bind(value: object) -> str:
    return str(parse_address(_string(value)))


def _domain(value: object) -> str:
    name = _string(value).lower().rstrip(".")
    if len(name) > 180 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError(f'"{name}" is not a domain name: write one such as fn.example.com')
    return name


def _url(value: object) -> str:
    said = _string(value)
    parts = urlsplit(said)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise ValueError(f'"{parts.scheme}:…" is not a base URL: write https://host[:port][/path]')
    return said.rstrip("/")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise ValueError(f"{value!r} must be true or false")


def _cidr(value: object) -> str:
    try:
        return str(ipaddress.ip_network(_string(value), strict=False))
    except ValueError:
        raise ValueError(
            f"{value!r} is not a network: write an address or CIDR such as 10.0.0.0/8"
        ) from None


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} must be a number")
    return value


def _ranged(value: Number, least: float, most: float | None) -> Number:
    if value < least or (most is not None and value > most):
        bound = f"at least {least:g}" + (f" and at most {most:g}" if most is not None else "")
        raise ValueError(f"{value:g} is out of range: it must be {bound}")
    return value


def whole(least: int, most: int | None = None) -> Kind:
    """A whole number within bounds."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} must be a whole number")
        return _ranged(value, least, most)

    return Kind("N", parse)


def _share(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ValueError(f"{value!r} must be a number from 0 to 1") from None
    return _ranged(float(_number(value)), 0, 1)


def _log_target(value: object) -> str:
    word = "off" if value is False else _string(value)
    if word.lower() in {"off", "stderr"}:
        return word.lower()
    return str(Path(word).expanduser())


def or_off(kind: Kind) -> Kind:
    """The same, or `off` for none."""

    def parse(value: object) -> Any:
        off = isinstance(value, str) and value.strip().lower() in {"off", "null"}
        return None if off or value is False else kind.parse(value)

    return Kind(kind.metavar, parse, lambda value: "off" if value is None else value)


def bytes_(least: int, most: int | None = None) -> Kind:
    """A size: a number of bytes, or with KiB, MiB or GiB."""

    def parse(value: object) -> int:
        if isinstance(value, str):
            match = _SIZE.fullmatch(value.strip())
            if match is None:
                raise ValueError(f'"{value}" is not a size: write bytes, or such as 32KiB, 4MiB')
            value = int(match[1]) * _SIZES[match[2]]
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{value!r} is not a size: write bytes, or such as 32KiB, 4MiB")
        return _ranged(value, least, most)

    return Kind("SIZE", parse)


def seconds(least: float, most: float | None = None) -> Kind:
    """A duration: a number of seconds, or with ms, s, m, h or d."""

    def parse(value: object) -> float:
        if isinstance(value, str):
            match = _DURATION.fullmatch(value.strip())
            if match is None:
                raise ValueError(f'"{value}" is not a duration: write seconds, or such as 5m, 7d')
            value = float(match[1]) * _DURATIONS[match[2]]
        return _ranged(float(_number(value)), least, most)

    return Kind("DURATION", parse)


def choice(metavar: str, words: tuple[str, ...]) -> Kind:
    """One of a few words, in any case."""

    def parse(value: object) -> str:
        word = _string(value).lower()
        if word not in words:
            raise ValueError(f"{value!r} is not known: write one of {', '.join(words)}")
        return word

    return Kind(metavar, parse)


def _user(value: object) -> str:
    name = _string(value)
    if not _USER.fullmatch(name):
        raise ValueError(f"{name!r} is not a user: write auto, same, or the name of a user")
    return name


bind = Kind("ADDR", _bind)
domain = Kind("NAME", _domain)
url = Kind("URL", _url)
user = Kind("USER", _user)
boolean = Kind("", _boolean)
share = Kind("SHARE", _share)
log_target = Kind("WHERE", _log_target)
cidr = Kind("CIDR", _cidr)
path = Kind("PATH", lambda value: Path(_string(value)).expanduser(), lambda p: p and str(p))
