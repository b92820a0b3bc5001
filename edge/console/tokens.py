"""The pages of runtime tokens: listed, made, rotated, ended."""

from edge.admin.token_operations import TOKENS_AT_ONCE, NewToken, TokenInfo
from edge.console import forms
from edge.console.desk import Answer, Asked, Shown
from edge.console.responses import see
from edge.functions import CONSOLE
from tokens.model import EDGE_WIDE

DAY = 86400.0
EXPIRIES: dict[str, float | None] = {
    "never": None,
    "1 day": DAY,
    "7 days": 7 * DAY,
    "30 days": 30 * DAY,
    "90 days": 90 * DAY,
    "1 year": 365 * DAY,
}
OVERLAPS: dict[str, float | None] = {
    "at once": 0.0,
    "after 1 hour": 3600.0,
    "after 1 day": DAY,
    "after 7 days": 7 * DAY,
}
"""When the former secret ends."""


def every(asked: Asked) -> Answer:
    """All tokens, from one on."""
    after = forms.text(asked.query, "after", 200) or None
    found: tuple[TokenInfo, ...] = asked.desk.ask("tokens", after=after)
    more = found[-1].id if len(found) == TOKENS_AT_ONCE else None
    return Shown("tokens.html", {**_choices(EDGE_WIDE), "tokens": found, "more": more})


def of_function(asked: Asked, slug: str) -> Answer:
    """A function's own."""
    after = forms.text(asked.query, "after", 200) or None
    head = {"function": asked.desk.ask("function", slug=slug), "tab": "tokens"}
    found: tuple[TokenInfo, ...] = asked.desk.ask("tokens", function=slug, after=after)
    more = found[-1].id if len(found) == TOKENS_AT_ONCE else None
    shown = {**head, **_choices(slug), "tokens": found, "more": more}
    return Shown("function_tokens.html", shown)


def create(asked: Asked) -> Answer:
    """Make one, and show its secret this once."""
    made: NewToken = asked.desk.ask(
        "create_token",
        function=forms.text(asked.form, "function", 200),
        name=forms.text(asked.form, "name", 200),
        expires_in=forms.chosen(asked.form, "expires", EXPIRIES),
        scopes=_scopes(asked),
        rate=forms.text(asked.form, "rate", 50) or None,
    )
    return Shown("token_made.html", {"made": made, "back": _back(made.function), "what": "made"})


def rotate(asked: Asked) -> Answer:
    """Make its new secret, and show it this once."""
    made: NewToken = asked.desk.ask(
        "rotate_token",
        function=forms.text(asked.form, "function", 200),
        token=forms.text(asked.form, "token", 200),
        overlap=forms.chosen(asked.form, "overlap", OVERLAPS) or 0.0,
    )
    return Shown("token_made.html", {"made": made, "back": _back(made.function), "what": "rotated"})


def revoke(asked: Asked) -> Answer:
    """End one."""
    function = forms.text(asked.form, "function", 200)
    asked.desk.ask("revoke_token", function=function, token=forms.text(asked.form, "token", 200))
    return see(f"{_back(function)}?done=revoked")


def _scopes(asked: Asked) -> tuple[str, ...]:
    """One on each line."""
    lines = (line.strip() for line in forms.text(asked.form, "scopes").splitlines())
    return tuple(line for line in lines if line)


def _choices(function: str) -> dict[str, object]:
    return {"of": function, "expiries": tuple(EXPIRIES), "overlaps": tuple(OVERLAPS)}


def _back(function: str) -> str:
    """The page that lists it; a function that has a token is one whose slug is a path segment."""
    return (
        f"{CONSOLE}/tokens" if function == EDGE_WIDE else f"{CONSOLE}/functions/{function}/tokens"
    )
