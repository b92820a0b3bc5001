"""Tool names: legal, unique and stable. Pure; nothing here knows OpenAPI documents."""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

MAX_NAME = 64

_SUFFIX_DIGITS = 8
_KEPT = MAX_NAME - 1 - _SUFFIX_DIGITS
"""Characters that a cut name keeps."""

_LEGAL = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_NAME}}}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ILLEGAL_RUN = re.compile(r"[^a-zA-Z0-9-]+")


def is_legal(name: object) -> bool:
    """Whether this is a string of 1 to 64 characters of `[a-zA-Z0-9_-]`."""
    return isinstance(name, str) and _LEGAL.fullmatch(name) is not None


def operation_name(operation_id: object, method: str, path: str) -> str:
    """The operationId if it is a legal name, else one made from method and path.

    `GET /users/{id}` becomes `get_users_id`; what does not fit is cut and gets a hash suffix.
    """
    if isinstance(operation_id, str) and is_legal(operation_id):
        return operation_id
    derived = _ILLEGAL_RUN.sub("_", f"{method.lower()}_{path}").strip("_")
    return derived if len(derived) <= MAX_NAME else with_suffix(derived, f"{method} {path}")


def kebab_case(name: str) -> str:
    """A tool's name as its route spells it: `sendEmail` is `send-email`, `getHTMLPage` three words.

    So the platform derives routes from the keys of an app's tools; digits stay with their word.
    """
    return _HUMP.sub("-", name).replace("_", "-").lower()


def joined(slug: str, name: str) -> str:
    """The name of a function's tool where the tools of several functions stand side by side.

    `<slug>__<name>`; what does not fit is cut and gets a hash suffix. Which function it names shows
    in a name that is not cut, since no slug holds `_`.
    """
    full = full_name(slug, name)
    return full if len(full) <= MAX_NAME else with_suffix(full, full)


def full_name(slug: str, name: str) -> str:
    """The same, never cut: as scopes may write it."""
    return f"{slug}__{name}"


def may_name(slug: str, name: str) -> bool:
    """Whether a name can be one that `joined` makes for a tool of this function."""
    start = full_name(slug, "")
    cut = len(name) == MAX_NAME and name[:_KEPT] == start[:_KEPT]
    return name.startswith(start) or (len(start) > _KEPT and cut)


def with_suffix(name: str, identity: str, digits: int = _SUFFIX_DIGITS) -> str:
    """`name`, cut where needed, followed by `_` and a hash of what it names."""
    suffix = f"_{sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:digits]}"
    return name[: MAX_NAME - len(suffix)] + suffix


def unique(claims: Sequence[tuple[str, str]], taken: Iterable[str] = ()) -> list[str]:
    """One name for each (wanted name, identity), in the same order; none twice, none of `taken`.

    Among equal wishes the one with the least identity keeps the name and the others get a suffix
    made from their own identity: so the order of a document does not matter. Identities differ.
    """
    used = set(taken)
    names: dict[tuple[str, str], str] = {}
    for claim in sorted(claims):
        wanted, identity = claim
        name, digits = wanted, _SUFFIX_DIGITS
        while name in used:
            name, digits = with_suffix(wanted, identity, digits), digits + _SUFFIX_DIGITS
        used.add(name)
        names[claim] = name
    return [names[claim] for claim in claims]
