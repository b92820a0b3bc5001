"""What tokens are called by people: names and ids, checked, made and looked up. Pure."""

import re
from collections.abc import Sequence

from tokens import secret
from tokens.errors import AmbiguousToken, InvalidToken, UnknownToken
from tokens.model import Token

_ID_SIZE = 12
# Sent to functions in a header field, so visible ASCII; `~` marks a token that is rotated out.
_PIECE = re.compile(f"(?:{secret.RUNTIME}|{secret.ACCESS})[0-9A-Za-z]{{{secret.HINT_SIZE + 1},}}")
_NAME = re.compile(r"(?!tok_|pat_)[!-}](?:[ -}]{0,62}[!-}])?")


def check(name: str) -> None:
    """Raise InvalidToken unless this may be a token's name."""
    if secret.redact(name) != name or _PIECE.search(name):
        raise InvalidToken(
            "The name holds a token or a piece of one; names are shown to everybody."
        )
    if _NAME.fullmatch(name) is None:
        raise InvalidToken(
            f"The name {name[:64]!r} cannot be one: write 1 to 64 printable ASCII characters,"
            " without ~, not starting or ending with a space and not starting like an id."
        )


def new_id(prefix: str, random: secret.Random) -> str:
    """A fresh id; it identifies and is no secret."""
    return prefix + secret.characters(random, _ID_SIZE)


def given(id_or_name: str) -> str:
    """The id or name that a token was given, of one that may be shown as `NAME~old`."""
    return id_or_name.removesuffix("~old")


def resolve(tokens: Sequence[Token], function: str, id_or_name: str, now: float) -> Token:
    """The token that a user means: any by its id, else the one live token that is shown so.

    Raises UnknownToken and AmbiguousToken, whose texts say how to name it better.
    """
    for token in tokens:
        if token.id == id_or_name:
            return token
    live = [token for token in tokens if token.shown_name == id_or_name and not token.refusal(now)]
    if len(live) > 1:
        ids = ", ".join(token.id for token in live)
        raise AmbiguousToken(f"Several tokens are called {id_or_name!r}; give one's id: {ids}.")
    if not live:
        raise unknown(id_or_name, f"of {function}")
    return live[0]


def unknown(id_or_name: str, whose: str) -> UnknownToken:
    """The error for an id or name that no token has."""
    # Cut after, for half a secret is not recognised as one.
    shown = secret.redact(id_or_name)[:64]
    return UnknownToken(f"No live token {whose} has the id or name {shown!r}; list them to see.")
