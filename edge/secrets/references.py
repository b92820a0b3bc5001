"""`"secret:NAME"` in a project's headers: which secrets it names, and their values put in. Pure.

The stored project keeps the names; only what a worker forwards with has the values.
"""

from collections.abc import Mapping
from dataclasses import replace

from edge.functions import Project
from edge.project_file.fields import wrong_value
from edge.secrets.names import REFERENCE


def names(project: Project) -> tuple[str, ...]:
    """The secrets that the headers name, each once."""
    named = (_named(value) for _, value in project.headers)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def filled(project: Project, values: Mapping[str, str]) -> Project:
    """The project with values for names.

    A field without one, or with one that no field can have, is left out: the function then refuses
    what it cannot believe, while a name sent in its place would tell it something else.
    """
    fields = ((name, _value(text, values)) for name, text in project.headers)
    headers = tuple((name, value) for name, value in fields if value is not None)
    return replace(project, headers=headers)


def lacking(project: Project, values: Mapping[str, str]) -> tuple[str, ...]:
    """The names without a value."""
    return tuple(name for name in names(project) if name not in values)


def unfit(project: Project, values: Mapping[str, str]) -> tuple[str, ...]:
    """The names whose value cannot stand in a header field, each with the reason."""
    found = ((name, wrong_value(values[name])) for name in names(project) if name in values)
    return tuple(f"{name}: {wrong}" for name, wrong in found if wrong)


def _named(value: str) -> str | None:
    return value.removeprefix(REFERENCE) if value.startswith(REFERENCE) else None


def _value(text: str, values: Mapping[str, str]) -> str | None:
    name = _named(text)
    if name is None:
        return text
    value = values.get(name)
    return value if value is not None and wrong_value(value) is None else None
