"""Finding a project on disk: its directory, its `jelou.json`, the document that it names."""

import json
from dataclasses import dataclass
from pathlib import Path

from edge.admin.errors import AdminError
from mcp_bridge.document import MAX_DOCUMENT

FILE = "jelou.json"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A project file as it was found."""

    directory: Path
    text: str


def read_project(directory: Path) -> ProjectFile:
    """The project file of a directory (or of the file itself, named).

    Raises:
        AdminError: MISSING_FUNCTIONS_PROJECT if there is none; INPUT_ERROR if it is unreadable.
    """
    path = directory if directory.name == FILE and directory.is_file() else directory / FILE
    try:
        return ProjectFile(path.parent.absolute(), path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AdminError(
            "MISSING_FUNCTIONS_PROJECT",
            f"There is no {FILE} in {path.parent}. Write one, or deploy a function by its "
            "address: jelou deploy http://127.0.0.1:9000 --save",
        ) from None
    except UnicodeDecodeError as error:
        raise AdminError("INPUT_ERROR", f"{path} is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise AdminError("INPUT_ERROR", f"{path} cannot be read: {error.strerror}") from None


def read_document(directory: Path, location: str) -> str:
    """The OpenAPI file that a project names; AdminError if it cannot be read."""
    path = directory / location
    try:
        if path.stat().st_size > MAX_DOCUMENT:
            limit = f"{MAX_DOCUMENT // 1024 // 1024} MiB"
            raise AdminError("INPUT_ERROR", f"{path} (the document) is over {limit}")
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise AdminError("INPUT_ERROR", f"{path} is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        message = f'The document {path} ("openapi" in {FILE}) cannot be read: {error.strerror}'
        raise AdminError("INPUT_ERROR", message) from None


def slug_here(slug: str | None) -> str:
    """The slug given, else that of the project in the working directory.

    Raises:
        AdminError: MISSING_FUNCTIONS_PROJECT if there is neither.
    """
    found = slug or slug_of(Path.cwd())
    if found is None:
        message = f"Which function? Name its slug, or run this beside its {FILE}"
        raise AdminError("MISSING_FUNCTIONS_PROJECT", message)
    return found


def slug_of(directory: Path) -> str | None:
    """The slug in a directory's project file, or None."""
    try:
        found = json.loads((directory / FILE).read_text("utf-8"))["function"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
