"""What can be done with secrets: their Protocol, and the values it takes and gives. Pure.

As `edge.admin.operations`, of which it is a part. No answer ever holds a secret's value.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from edge.admin.times import Time


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A secret without its value; `updated` is when it was set last."""

    name: str
    updated: Time


@dataclass(frozen=True, slots=True)
class SecretsChanged:
    """What was set or deleted.

    Attributes:
        deployed: whether there is such a function yet; its first deploy gets the secrets else.
        warnings: what did not follow, such as a process that does not start with them.
    """

    function: str
    names: tuple[str, ...]
    deployed: bool
    warnings: tuple[str, ...] = ()


class SecretOperations(Protocol):
    """Secrets of functions. Synchronous; safe in several threads."""

    def set_secrets(self, function: str, values: dict[str, Any]) -> SecretsChanged:
        """Set secrets or replace them, all or none; the function need not be deployed yet.

        They stand in header fields from the next request on; processes that the edge runs are
        replaced by new ones before this returns, without losing a request.

        Raises:
            AdminError: VALIDATION_ERROR for a name, a value or a number that is not allowed, or a
                value that cannot stand in the header field that it is used in.
        """
        ...

    def secrets(self, function: str) -> tuple[SecretInfo, ...]:
        """The names, in their order; NOT_FOUND if there is neither function nor secret."""
        ...

    def delete_secret(self, function: str, name: str) -> SecretsChanged:
        """Delete a secret; as `set_secrets`.

        Raises:
            AdminError: NOT_FOUND if there is none, VALIDATION_ERROR if a header field of what is
                live needs it.
        """
        ...
