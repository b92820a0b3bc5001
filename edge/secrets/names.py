"""What secrets may be called and hold, what is wrong with one, and `secret:NAME`. Pure."""

import re
from collections.abc import Mapping
from typing import ClassVar

from tokens.errors import Kind, TokenError

MOST = 100
"""Secrets of one function."""

LARGEST = 64 * 1024
"""Bytes of a value in UTF-8."""

LARGEST_TOGETHER = 1024 * 1024
"""Bytes of all names and values of one function: an environment has room for twice that (execve(2),
a quarter of the stack)."""

LONGEST_NAME = 128

REFERENCE = "secret:"
"""Before a secret's name in a project file: the value itself is not there."""

PLATFORM = "__FN_"
"""Names that begin so are the platform's."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_SET_BY_THE_EDGE = frozenset({"PORT", "HOST", "LISTEN_SOCKET", "HOME", "TMPDIR", "PATH"})
_PREFIX_OF_THE_EDGE = "JELOU_"
_READ_BY_THE_SDK = "JELOU_SIGNING_SECRET"
_STEERS_LOADING = ("LD_", "DYLD_", "PYTHON", "GLIBC_", "BASH_ENV")


class BadSecret(TokenError):
    """A name or value that no secret can have; the text never repeats a value."""


class UnknownSecret(TokenError):
    """The function has no secret of this name."""

    kind: ClassVar[Kind] = "not_found"


class SecretInUse(TokenError):
    """A secret that what is live cannot do without."""

    kind: ClassVar[Kind] = "conflict"


def wrong_name(name: str) -> str | None:
    """What is wrong with the name of a secret, or None.

    It becomes the name of an environment variable, so those are refused that the edge sets itself
    or that change how a program is loaded.
    """
    shown = f'"{name[:LONGEST_NAME]}"' if name.isprintable() else "this name"
    if name.startswith(PLATFORM):
        return f"{shown}: names that begin with {PLATFORM} are reserved; choose another"
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        return (
            f"{shown} is not a secret's name; write up to {LONGEST_NAME} of A-Z, 0-9 and _, "
            "a letter first"
        )
    if name == _READ_BY_THE_SDK:
        return None
    if name in _SET_BY_THE_EDGE or name.startswith(_PREFIX_OF_THE_EDGE):
        return f"{shown} is set by the edge itself; choose another name"
    if name.startswith(_STEERS_LOADING):
        return f"{shown} changes how programs are loaded; choose another name"
    return None


def wrong_value(name: str, value: str) -> str | None:
    """What is wrong with a value as an environment variable's, or None. Never quotes the value."""
    if "\0" in value:
        return f"The value of {name} holds a NUL character, which no environment can; remove it"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return f"The value of {name} is not text; encode it, such as with base64"
    if size > LARGEST:
        return f"The value of {name} has {size} bytes; at most {LARGEST} can be kept"
    return None


def check(values: Mapping[str, str]) -> None:
    """Refuse what no secret can be; raises BadSecret with the first reason."""
    if not values:
        raise BadSecret("There is nothing to set; write KEY=VALUE")
    for name, value in values.items():
        wrong = wrong_name(name) or wrong_value(name, value)
        if wrong:
            raise BadSecret(wrong)


def check_all(sizes: Mapping[str, int]) -> None:
    """Refuse more than one function may have, given the bytes of each value; raises BadSecret."""
    if len(sizes) > MOST:
        raise BadSecret(f"A function has at most {MOST} secrets; this would be {len(sizes)}")
    total = sum(len(name) + size for name, size in sizes.items())
    if total > LARGEST_TOGETHER:
        raise BadSecret(
            f"All secrets of a function have at most {LARGEST_TOGETHER} bytes together; this would "
            f"be {total}"
        )


def wrong_reference(text: str) -> str | None:
    """What is wrong with a `secret:NAME`, or None. Never quotes it: it may be a value."""
    wrong = wrong_name(text.removeprefix(REFERENCE))
    return None if wrong is None else 'is not "secret:NAME" with the name of a secret, such as KEY'
