"""What values are like, and what is wrong with one that is not: the vocabulary. Pure."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Use = Literal["input", "output"]
JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is wrong with a value.

    Attributes:
        path: where, as keys and indexes.
        code: stable, for programs: pydantic's error type, or the keyword of a JSON Schema.
    """

    path: tuple[str | int, ...]
    message: str
    code: str

    def as_json(self) -> JSON:
        """As the platform words it."""
        return {"path": list(self.path), "message": self.message, "code": self.code}


MAX_DETAILS = 100
"""Things wrong with one value that are told."""

UNNAMED = Detail((), "It is not what was declared; so large, no place is named", "too_much")


class Invalid(Exception):
    """A value is not what was declared."""

    def __init__(self, details: list[Detail]) -> None:
        """Say all that is wrong."""
        super().__init__("; ".join(f"{list(each.path)}: {each.message}" for each in details))
        self.details = details


class Shape(Protocol):
    """What values are like."""

    def schema(self, use: Use) -> JSON:
        """It as a JSON Schema (2020-12)."""

    def check(self, value: Any) -> Any:
        """A value from JSON, as the handler gets it.

        Raises:
            Invalid: it is not of this shape.
        """

    def dump(self, value: Any) -> Any:
        """What a handler returned, as a value of JSON.

        Raises:
            Invalid: it is not of this shape.
        """
