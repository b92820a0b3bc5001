"""The request as a handler sees it: method, path, header fields, and the whole body. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from mcp_bridge.jsontext import parse


class Headers(Mapping[str, str]):
    """Header fields by name, whatever its case; fields that repeat are joined by a comma."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        """From a mapping, or from pairs in the order in which they came."""
        self._values: dict[str, str] = {}
        for name, value in pairs.items() if isinstance(pairs, Mapping) else pairs or ():
            key = name.lower()
            known = self._values.get(key)
            self._values[key] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        """The value of a field.

        Raises:
            KeyError: there is none.
        """
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """The names, in lower case."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        """Whether there is such a field."""
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        """The names alone: values may be secret."""
        return f"Headers({', '.join(self._values)})"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read whole.

    Attributes:
        raw_path: as it came, percent-encoded, without the query.
        query_string: as it came, without the question mark.
        body: as it came: what signatures are computed over.
    """

    method: str = "GET"
    raw_path: str = "/"
    query_string: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the query, in order, decoded."""
        return parse_qsl(self.query_string, keep_blank_values=True)

    def text(self) -> str:
        """The body as UTF-8, what is none replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return parse(self.body)
