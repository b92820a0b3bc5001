"""Lines of a function's log as people read them: `10:30:01  INFO  Buscando cliente`. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

DEEPEST = 6
"""Levels of objects that are written out; what lies deeper is a mark."""

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def shown(line: Mapping[str, Any], zone: tzinfo | None = None) -> str:
    """A line: time of day, level, and what was said.

    Args:
        zone: of the time; None for the machine's.
    """
    moment = datetime.fromisoformat(str(line["timestamp"])).astimezone(zone)
    level = str(line.get("level", "info")).upper()
    return f"  {moment:%H:%M:%S}  {level:<5} {_said(line)}".rstrip()


def _said(line: Mapping[str, Any]) -> str:
    args = line.get("args")
    if isinstance(args, list):
        return " ".join(arg if isinstance(arg, str) else _value(arg, 0) for arg in args)
    cut = line.get("cut")
    return str(line.get("message", "")) + (f"… ({cut} bytes more)" if cut else "")


def _value(value: Any, depth: int) -> str:
    """A value as consoles write it: names without quotation marks where they need none."""
    if isinstance(value, dict):
        inner = [f"{_key(key)}: {_value(item, depth + 1)}" for key, item in value.items()]
        return _held("{", inner, "}", depth)
    if isinstance(value, list):
        return _held("[", [_value(item, depth + 1) for item in value], "]", depth)
    return json.dumps(value, ensure_ascii=False)


def _held(opening: str, inner: list[str], closing: str, depth: int) -> str:
    if not inner:
        return opening + closing
    return f"{opening} {', '.join(inner) if depth < DEEPEST else '…'} {closing}"


def _key(key: str) -> str:
    return key if _NAME.fullmatch(key) else json.dumps(key, ensure_ascii=False)
