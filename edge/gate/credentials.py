"""Which token a request carries, and whether it is good here. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from edge.functions import Function, TokenPlace
from edge.gate.decisions import GateSettings, Lookup, View
from edge.message import Head, Headers, values
from tokens import secret
from tokens.model import EDGE_WIDE, Refused, Token, judge

_HEADER_ALONE = ("x-jelou-token",)
_OVER = frozenset({"revoked", "expired"})


@dataclass(frozen=True, slots=True)
class NotGood:
    """Why the token of a request is refused.

    Attributes:
        reason: for the log alone.
        ended: the token, if it was good here once and is over.
    """

    reason: str
    ended: Token | None = None


def authenticate(
    view: View, head: Head, function: Function, now: float, settings: GateSettings
) -> Token | Lookup | NotGood:
    """The caller's good token, a row to fetch first, or why it is refused."""
    places = function.config.accept_tokens_in or settings.accept_tokens_in
    token = _look_at(view, head, places)
    return _judged(token, function.slug, now) if isinstance(token, Token) else token


def authenticate_anywhere(
    view: View, head: Head, now: float, settings: GateSettings
) -> Token | Lookup | NotGood:
    """The same where no function was named: a token of any live function is good."""
    token = _look_at(view, head, settings.accept_tokens_in)
    if not isinstance(token, Token):
        return token
    if token.function != EDGE_WIDE and view.by_slug(token.function) is None:
        return NotGood("other_function")
    return _judged(token, token.function, now)


def _judged(token: Token, function: str, now: float) -> Token | NotGood:
    verdict = judge(token, function, now)
    if not isinstance(verdict, Refused):
        return token
    return NotGood(verdict.reason, token if verdict.reason in _OVER else None)


def _look_at(view: View, head: Head, places: tuple[TokenPlace, ...]) -> Token | Lookup | NotGood:
    """The token that was sent, good or not, a row to fetch first, or why there is none."""
    sent = _credentials(head.headers, places)
    if isinstance(sent, str):
        return NotGood(sent)
    if not secret.has_form(sent):
        return NotGood("malformed")
    digest = secret.digest(sent)
    try:
        token = view.token(digest)
    except KeyError:
        return Lookup(digest) if secret.checks(sent) else NotGood("malformed")
    return NotGood("unknown") if token is None else token


def digests(fields: Headers) -> set[bytes]:
    """Of every well-formed token that a request carries where one may be accepted."""
    sent = (text for read in _READERS.values() for text in read(fields))
    return {found for text in sent if (found := secret.parse(text, secret.RUNTIME)) is not None}


def _credentials(fields: Headers, places: tuple[TokenPlace, ...]) -> bytes | str:
    """The one token that was sent, or why there is none to judge."""
    own = values(fields, b"x-jelou-token")
    if len(own) > 1:
        return "sent twice"
    if places == _HEADER_ALONE:
        return own[0] if own else "missing"
    found = {token for place in places for token in _READERS[place](fields)}
    if not found:
        return "missing"
    return found.pop() if len(found) == 1 else "two different tokens"


def _from_header(fields: Headers) -> list[bytes]:
    return values(fields, b"x-jelou-token")


def _from_authorization(fields: Headers) -> list[bytes]:
    """`Bearer jfn_rt_…` (RFC 6750 §2.1); any other Authorization is the function's."""
    found = []
    for value in values(fields, b"authorization"):
        scheme, _, rest = value.partition(b" ")
        if scheme.lower() == b"bearer" and rest.strip().startswith(secret.RUNTIME.encode()):
            found.append(rest.strip())
    return found


def _from_api_key(fields: Headers) -> list[bytes]:
    prefix = secret.RUNTIME.encode()
    return [value for value in values(fields, b"x-api-key") if value.startswith(prefix)]


_READERS: dict[TokenPlace, Callable[[Headers], list[bytes]]] = {
    "x-jelou-token": _from_header,
    "authorization": _from_authorization,
    "x-api-key": _from_api_key,
}
