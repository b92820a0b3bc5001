"""A project file's problems as one error. Pure."""

from edge.admin.errors import AdminError
from edge.functions import Project
from edge.project_file.parse import Parsed


def checked(parsed: Parsed) -> Project:
    """The project, or an error with every problem of its file, one a line."""
    if parsed.project is not None:
        return parsed.project
    problems = "\n".join(f"  {problem}" for problem in parsed.problems)
    raise AdminError("VALIDATION_ERROR", f"jelou.json cannot be deployed:\n{problems}")
