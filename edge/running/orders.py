"""What the supervisor tells the runner at its start. Pure, and quick to import."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Orders:
    """One JSON line on the runner's stdin.

    Attributes:
        config: as `edge.config.as_plain` gives it.
        bound: the edge's public addresses, ports included.
        status: file descriptor on which the runner writes `ready`, or why it is not.
    """

    config: dict[str, Any]
    bound: list[str]
    status: int

    def to_json(self) -> bytes:
        """The line."""
        return orjson.dumps(asdict(self)) + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        """The orders of a line."""
        return cls(**orjson.loads(line))
