"""Deployments as rows: routes to JSON and back, a row to a deployment. Pure."""

from typing import Any

import orjson

from edge.functions import Deployment, Route, run_as
from edge.project_file.parse import ProjectError, load_project
from edge.registry.store import UnreadableDeployment
from tokens.paths import PathTemplate

COLUMNS = (
    "d.id, d.slug, d.created, d.origin, d.document_bytes, d.digest, d.project, d.routes, d.code"
)


def encode_routes(routes: tuple[Route, ...]) -> str:
    """Routes as a JSON list, in their order."""
    return orjson.dumps(
        [
            {
                "tool": route.tool,
                "method": route.method,
                "path": route.template.text,
                "methods": route.methods,
                "public": route.public,
                "timeout": route.timeout,
            }
            for route in routes
        ]
    ).decode()


def decode_routes(text: str) -> tuple[Route, ...]:
    """The opposite of `encode_routes`."""
    return tuple(
        Route(
            row["tool"],
            row["method"],
            PathTemplate(row["path"]),
            methods=None if row["methods"] is None else tuple(row["methods"]),
            public=row["public"],
            timeout=row["timeout"],
        )
        for row in orjson.loads(text)
    )


def deployment_of(row: tuple[Any, ...]) -> Deployment:
    """A deployment of the columns `COLUMNS`; more may follow them.

    Raises:
        UnreadableDeployment: the row holds what this version does not understand.
    """
    id_, slug, created, origin, size, digest, text, stored, code = row[:9]
    try:
        project, routes = run_as(load_project(text), id_), decode_routes(stored)
        return Deployment(id_, project, created, origin, size, routes, digest, code)
    except (ProjectError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UnreadableDeployment(slug, id_, str(error)) from error
