"""The settings as text: `--print-config`, and the table of `docs/configuration.md`.

Not here: what the settings are and how they are read (`edge.config`).
"""

from collections.abc import Iterator
from typing import Any

from edge.config import SETTINGS, Setting
from edge.config_loading import Loaded


def print_config(loaded: Loaded) -> str:
    """A valid `edge.toml`, each line with its origin, defaults as comments."""
    return "".join(f"{line}\n" for line in _shown(loaded))


def table() -> str:
    """The Markdown table of `docs/configuration.md`."""
    head = ["| flag | `edge.toml` | environment | default | |", "| --- | --- | --- | --- | --- |"]
    return "\n".join(head + [_row(setting) for setting in SETTINGS]) + "\n"


def _row(setting: Setting) -> str:
    switch = f"`{setting.flag}`, `--no-{setting.flag[2:]}`"
    value = switch if setting.is_boolean else f"`{setting.flag} {setting.kind.metavar}`"
    repeat = " (repeatable)" if setting.many else ""
    shown = _toml(setting.plain(setting.default)) if setting.default not in {None, ()} else ""
    default = f"`{shown}`" if shown else ("see below" if setting.name == "data_dir" else "none")
    key = f"`{setting.name}`"
    return f"| {value}{repeat} | {key} | `{setting.variable}` | {default} | {setting.help} |"


def _shown(loaded: Loaded) -> Iterator[str]:
    for setting in SETTINGS:
        value = setting.plain(getattr(loaded.config, setting.name))
        said = f"{setting.name} = {_toml(value)}" if value is not None else f"{setting.name} ="
        origin = loaded.origins[setting.name]
        yield f"# {said}  # default" if origin == "default" else f"{said}  # {origin}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(member) for member in value) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
