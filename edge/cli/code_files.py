"""A project's files on their way to the edge that is to run them."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edge.admin.errors import AdminError
from edge.admin.files import scratch
from edge.admin.operations import DeployRequest, Operations
from edge.admin.projects import checked
from edge.cli import output
from edge.cli.project_files import FILE, read_project
from edge.code.archive import pack
from edge.code.collect import SourceFile, collect
from edge.code.limits import CodeError, Limits, readable
from edge.project_file.parse import parse_project

SHOWN = 20
"""Files that are named."""


def is_code(request: DeployRequest) -> bool:
    """Whether the edge is to run what is deployed."""
    if request.project is None:
        return False
    return checked(parse_project(request.project)).run is not None


def found(operations: Operations, directory: Path) -> tuple[SourceFile, ...]:
    """The files of a project that are deployed, as many as this edge takes.

    Raises:
        AdminError: INPUT_ERROR, naming what is too much or unfit.
    """
    edge = operations.info()
    try:
        return collect(read_project(directory).directory, Limits(edge.code_files, edge.code_size))
    except CodeError as error:
        raise AdminError("INPUT_ERROR", str(error)) from None


def sent(
    operations: Operations, request: DeployRequest, directory: Path, files: Iterable[SourceFile]
) -> DeployRequest:
    """Send the files; the request that names them. Raises AdminError."""
    with scratch() as archive:
        try:
            with archive.open("wb") as file:
                pack(read_project(directory).directory, files, file)
        except CodeError as error:
            raise AdminError("INPUT_ERROR", str(error)) from None
        return replace(request, code=operations.put_code(archive).digest)


def with_code(operations: Operations, request: DeployRequest, directory: Path) -> DeployRequest:
    """The request with a project's files sent, where the edge is to run them."""
    if not is_code(request):
        return request
    return sent(operations, request, directory, found(operations, directory))


def told(files: Iterable[SourceFile], directory: Path) -> str:
    """`▸ Files: index.py (1.2 KB), jelou.json (98 B)`."""
    sizes = [(file.path, file.size) for file in files]
    sizes.append((FILE, os.path.getsize(read_project(directory).directory / FILE)))
    words = [f"{name} ({readable(size)})" for name, size in sizes[:SHOWN]]
    if len(sizes) > SHOWN:
        more = sum(size for _, size in sizes[SHOWN:])
        words.append(f"{len(sizes) - SHOWN:,} more ({readable(more)})")
    return output.item("Files", ", ".join(words))
