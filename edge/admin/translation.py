"""What tokens, registry and store raise, in the words of the operations."""

from collections.abc import Iterator
from contextlib import contextmanager

from edge.admin.errors import AdminError, Code
from edge.registry.store import HostTaken, RegistryError, UnknownDeployment, UnknownFunction
from tokens.errors import TokenError

_CODES: dict[str, tuple[Code, int]] = {
    "invalid": ("VALIDATION_ERROR", 422),
    "not_found": ("NOT_FOUND", 404),
    "conflict": ("VALIDATION_ERROR", 409),
    "busy": ("TRANSIENT_ERROR", 503),
    "store": ("API_ERROR", 500),
}


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of tokens, registry and store into those of the operations."""
    try:
        yield
    except TokenError as error:
        code, status = _CODES[error.kind]
        raise AdminError(code, str(error), status=status) from error
    except RegistryError as error:
        raise registry_error(error) from error


def registry_error(error: RegistryError) -> AdminError:
    """The registry's refusal in the words of the operations."""
    if isinstance(error, UnknownFunction | UnknownDeployment):
        return AdminError("NOT_FOUND", str(error))
    if isinstance(error, HostTaken):
        return AdminError("VALIDATION_ERROR", str(error), status=409)
    return AdminError("API_ERROR", str(error), status=500)
