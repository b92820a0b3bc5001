"""What a browser sends of a form (URL Standard, section 5), within bounds. Pure."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from edge.admin.errors import AdminError

LARGEST = 1024 * 1024
"""Bytes of a form."""

MOST_FIELDS = 500

Form = Mapping[str, str]


def parsed(raw: bytes) -> Form:
    """The fields; of several with one name the last counts.

    Raises:
        AdminError: too many of them.
    """
    try:
        text = raw.decode("utf-8", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise AdminError("INPUT_ERROR", f"A form has {MOST_FIELDS} fields at most") from None


def text(form: Form, name: str, most: int = 10_000) -> str:
    """A field without the space around it, empty if it is not there; AdminError over `most`."""
    value = form.get(name, "").strip()
    if len(value) > most:
        raise AdminError("INPUT_ERROR", f"The field {name} has {most} characters at most")
    return value


def chosen(form: Form, name: str, choices: Mapping[str, float | None]) -> float | None:
    """What a choice stands for; AdminError for one that was not offered."""
    value = form.get(name, "")
    if value not in choices:
        raise AdminError("INPUT_ERROR", f"Choose one of what is offered for {name}")
    return choices[value]


def whole(form: Form, name: str) -> int | None:
    """A positive number, None where the field is empty; AdminError for anything else."""
    value = text(form, name, 18)
    if not value:
        return None
    if not (value.isascii() and value.isdecimal()) or int(value) == 0:
        raise AdminError("INPUT_ERROR", f"Write a whole number for {name}")
    return int(value)
