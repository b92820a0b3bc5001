"""Secrets that a project's headers name: demanded of a deploy, and put in to fetch its document."""

from collections.abc import Mapping

from edge.admin.errors import AdminError
from edge.functions import Project
from edge.keys import KeysError
from edge.secrets import references
from edge.secrets.store import Secrets, SecretsUnreadable


class References:
    """Reads the secrets of one store."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def check(self, project: Project) -> None:
        """Refuse a project that names secrets which are not there or fit in no header field.

        Raises:
            AdminError: VALIDATION_ERROR, saying which and how to set them.
            StoreError: they cannot be read.
        """
        if not references.names(project):
            return
        values = self._secrets.of(project.slug)
        lacking = references.lacking(project, values)
        if lacking:
            raise AdminError(
                "VALIDATION_ERROR",
                f"upstream.headers names secrets that {project.slug} does not have: "
                f"{', '.join(lacking)}; set them first: jelou secrets set {project.slug} "
                f"{' '.join(f'{name}=…' for name in lacking)}",
            )
        refuse_unfit(project, values)

    def filled(self, project: Project) -> Project:
        """The project with values for names, for a request; never to be stored."""
        if not references.names(project):
            return project
        try:
            values = self._secrets.of(project.slug)
        except (SecretsUnreadable, KeysError):
            values = {}  # said where it matters: to a deploy, and by every worker
        return references.filled(project, values)


def refuse_unfit(project: Project, values: Mapping[str, str]) -> None:
    """Refuse values that cannot stand in the header fields that name them; raises AdminError."""
    unfit = references.unfit(project, values)
    if unfit:
        said = "; ".join(unfit)
        raise AdminError("VALIDATION_ERROR", f"No header field can have these secrets: {said}")
