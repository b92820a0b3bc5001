"""The settings read from flags, environment and `edge.toml`, every mistake in them at once.

The process environment comes in as an argument. Not here: which settings there are
(`edge/config.py`).
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import SETTINGS, Config, Setting
from edge.settings import parse_address


class ConfigError(Exception):
    """Settings that cannot be used.

    Attributes:
        problems: every problem found, each naming the setting, where it was set and what to write.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


FORM = 1
"""The version of what `edge.toml` means; a file that says none is of the first."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where each value came from (`flag --bind`, `default`, …), by name."""

    config: Config
    origins: Mapping[str, str]


@dataclass(slots=True)
class _Reading:
    """What is gathered while the sources are read."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    toml_path: Path | None,
    *,
    root: bool | None = None,
) -> Loaded:
    """Read the settings; a flag wins over the environment, that over `edge.toml`.

    Args:
        flags: by setting name; None and empty lists are flags that were not given.
        environ: the process environment; an empty variable counts as unset.
        toml_path: the file of `--config`, or None.
        root: whether the superuser runs the edge; None asks the operating system.

    Raises:
        ConfigError: with every problem at once.
    """
    reading = _Reading()
    table = _read_toml(toml_path, reading)
    for setting in SETTINGS:
        _take(setting, _candidates(setting, flags, environ, table, toml_path), reading)
    _cross_check(reading)
    if reading.problems:
        raise ConfigError(reading.problems)
    as_root = os.geteuid() == 0 if root is None else root
    reading.values.setdefault("data_dir", default_data_dir(environ, root=as_root))
    reading.values["domain_given"] = "domain" in reading.values
    origins = {s.name: reading.origins.get(s.name, "default") for s in SETTINGS}
    return Loaded(Config(**reading.values), origins)


def default_data_dir(environ: Mapping[str, str], *, root: bool) -> Path:
    """The data directory when nobody named one (XDG Base Directory specification).

    `JELOU_DATA_DIR` is not looked at: it is the setting's own variable.
    """
    if root:
        return Path("/var/lib/jelou-edge")
    base = environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "jelou-edge"
    return Path(environ.get("HOME") or "/") / ".local/share/jelou-edge"


def _read_toml(toml_path: Path | None, reading: _Reading) -> dict[str, Any]:
    if toml_path is None:
        return {}
    try:
        table = tomllib.loads(toml_path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reading.problems.append(f"{toml_path}: not valid TOML: {error}")
        return {}
    except OSError as error:
        reading.problems.append(f"{toml_path}: cannot be read: {error.strerror}")
        return {}
    form = table.pop("version", FORM)
    if form != FORM:
        reading.problems.append(
            f"{toml_path}: version {form} is of another program; this one reads version {FORM}"
        )
        return {}
    names = [setting.name for setting in SETTINGS]
    for key in table.keys() - set(names):
        nearest = difflib.get_close_matches(key.replace("-", "_"), names, 1, 0)[0]
        reading.problems.append(f'{toml_path}: unknown key "{key}"; did you mean "{nearest}"?')
    return table


def _candidates(
    setting: Setting,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    table: Mapping[str, Any],
    toml_path: Path | None,
) -> Iterator[tuple[str, object]]:
    flag = flags.get(setting.name)
    if flag is not None and flag != ():
        yield f"flag {setting.flag}", flag
    if variable := environ.get(setting.variable):
        yield f"environment {setting.variable}", variable
    if setting.name in table:
        yield f"{toml_path}, key {setting.name}", table[setting.name]


def _take(setting: Setting, candidates: Iterator[tuple[str, object]], reading: _Reading) -> None:
    for origin, value in candidates:
        try:
            parsed = setting.parse(value)
        except ValueError as error:
            reading.problems.append(f"{origin}: {error}")
        else:
            reading.values.setdefault(setting.name, parsed)
            reading.origins.setdefault(setting.name, origin)


def is_loopback(text: str) -> bool:
    """Whether nobody reaches an address but from this machine."""
    address = parse_address(text)
    return bool(address.path) or address.host in {"127.0.0.1", "::1", "localhost"}


def _cross_check(reading: _Reading) -> None:
    values = reading.values
    if ("certfile" in values) != ("keyfile" in values):
        given, missing = ("certfile", "keyfile")[:: 1 if "certfile" in values else -1]
        reading.problems.append(f"{given} needs {missing} too: set both, or neither")
    if values.get("http3") and "certfile" not in values:
        reading.problems.append("http3 needs TLS: set certfile and keyfile too")
    if "admin" in values and "certfile" not in values and not is_loopback(values["admin"]):
        reading.problems.append(
            f"admin {values['admin']} would take access tokens in plain text: "
            "set certfile and keyfile, or bind it to 127.0.0.1, [::1] or unix:/path"
        )
    if "admin_client_ca" in values and not {"admin", "certfile"} <= values.keys():
        reading.problems.append("admin_client_ca needs TLS: set admin, certfile and keyfile too")
    if "bind" in values and not values["bind"]:
        reading.problems.append("bind is empty: name an address, such as 127.0.0.1:8080")
    if "accept_tokens_in" in values:
        places = ("x-jelou-token", *values["accept_tokens_in"])
        values["accept_tokens_in"] = tuple(dict.fromkeys(places))
