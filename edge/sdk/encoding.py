"""Values that handlers return, as JSON text. Pure."""

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson

_OPTIONS = orjson.OPT_NON_STR_KEYS


def encode(value: Any) -> bytes:
    """A value as JSON in UTF-8; models, dataclasses, dates, UUIDs and sets among it too.

    Raises:
        TypeError: there is something in it that JSON has no form for.
    """
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError as problem:
        if "64-bit" not in str(problem):
            raise TypeError(str(problem)) from None
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
        return text.encode()


def _plain(value: Any) -> Any:
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", by_alias=True)
    if isinstance(value, set | frozenset):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} cannot become JSON; return a dict, list or model")
