"""Secrets on a store of this machine, directly."""

from collections.abc import Callable, Mapping
from typing import Any

from edge.admin.errors import AdminError
from edge.admin.secret_operations import SecretInfo, SecretsChanged
from edge.admin.secret_references import refuse_unfit
from edge.admin.translation import explained
from edge.audit.store import AuditTrail
from edge.functions import Function
from edge.project_file.texts import wrong_slug
from edge.registry.store import Registry, UnknownFunction
from edge.secrets import references
from edge.secrets.names import BadSecret, SecretInUse
from edge.secrets.store import SqliteSecrets
from tokens.database import Database

Restart = Callable[[Function], str | None]
"""Replaces a function's processes by new ones; what went wrong, or None."""


class LocalSecrets:
    """`SecretOperations` on a store; the docstrings are the Protocol's."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        secrets: SqliteSecrets,
        restart: Restart,
        trail: AuditTrail,
    ) -> None:
        self._database = database
        self._registry = registry
        self._kept = secrets
        self._restart = restart
        self._trail = trail

    def set(self, slug: str, values: Mapping[str, Any]) -> SecretsChanged:
        """See SecretOperations.set_secrets."""
        wrong = wrong_slug(slug)
        if wrong:
            raise AdminError("INPUT_ERROR", wrong)
        with explained():
            texts = {name: _text(name, value) for name, value in values.items()}
            with self._database.write():
                self._kept.set(slug, texts, self._database.clock())
                self._trail.note("secret.set", function=slug, names=list(texts))
                function = self._registry.function(slug)
                if function is not None:
                    refuse_unfit(function.live.project, texts)
            return self._changed(slug, tuple(texts), function)

    def list(self, slug: str) -> tuple[SecretInfo, ...]:
        """See SecretOperations.secrets."""
        with explained():
            found = self._kept.names(slug)
            if not found and self._registry.function(slug) is None:
                raise UnknownFunction(slug)
        return tuple(SecretInfo(secret.name, secret.updated) for secret in found)

    def delete(self, slug: str, name: str) -> SecretsChanged:
        """See SecretOperations.delete_secret."""
        with explained():
            with self._database.write():
                self._kept.delete(slug, (name,))
                self._trail.note("secret.deleted", function=slug, names=[name])
                function = self._registry.function(slug)
                if function is not None and name in references.names(function.live.project):
                    raise SecretInUse(
                        f"upstream.headers of {slug} needs {name}: deploy it without, then delete"
                    )
            return self._changed(slug, (name,), function)

    def delete_all(self, slug: str) -> None:
        """Forget all secrets of a function that is being deleted."""
        self._kept.delete_all(slug)

    def _changed(
        self, slug: str, names: tuple[str, ...], function: Function | None
    ) -> SecretsChanged:
        wrong = self._restart(function) if function is not None else None
        warnings = () if wrong is None else (wrong,)
        return SecretsChanged(slug, names, deployed=function is not None, warnings=warnings)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadSecret(f"The value of {name[:100]} must be a string")
    return value
