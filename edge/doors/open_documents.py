"""What `/__health` and `/openapi.json` of a function answer."""

from collections.abc import Callable
from typing import Any, Literal

import orjson

from edge.doors.openapi_document import published
from edge.doors.rendering import Rendered
from edge.errors import EdgeError, Errors, refusal
from edge.functions import Function
from edge.gate.decisions import Place
from edge.state.catalogs import Catalogs
from edge.state.health import Health

_JSON = (b"content-type", b"application/json")


class OpenDocuments:
    """Makes them; a published document is kept as long as its deployment is live.

    Args:
        url_of: the published address of a function by its slug.
    """

    def __init__(self, catalogs: Catalogs, health: Health, url_of: Callable[[str], str]) -> None:
        self._catalogs = catalogs
        self._health = health
        self._url_of = url_of
        self._published: dict[str, tuple[str, bytes | None]] = {}

    async def render(self, document: Literal["health", "openapi"], place: Place) -> Rendered:
        """The answer, without the fields that every answer carries.

        Raises:
            EdgeError: 404, there is no document.
        """
        if document == "health":
            return await self._render_health(place.function)
        body = self._openapi(place.function)
        if body is None:
            raise EdgeError(refusal(Errors.NOT_FOUND, "This function has no OpenAPI document."))
        return _answer(200, body)

    async def _render_health(self, function: Function) -> Rendered:
        catalog = await self._catalogs.of(function)
        answers = await self._health.answers(function.live.project.upstreams)
        body: dict[str, Any] = {
            "status": "ok" if answers else "unavailable",
            "mode": "app",
            "tools": [
                {"name": tool.name, "description": tool.description} for tool in catalog.tools
            ],
            "function": function.slug,
            "deployment": function.live.id,
        }
        rendered = _answer(200 if answers else 503, orjson.dumps(body))
        fields = (*rendered.headers, (b"cache-control", b"no-store"))
        return Rendered(rendered.status, fields, rendered.body)

    def _openapi(self, function: Function) -> bytes | None:
        known = self._published.get(function.slug)
        if known is None or known[0] != function.live.id:
            known = (function.live.id, self._make(function))
            self._published[function.slug] = known
        return known[1]

    def _make(self, function: Function) -> bytes | None:
        live = function.live
        if live.document is None:
            return None
        return published(
            live.document,
            url=self._url_of(function.slug),
            public=function.config.public,
            routes=live.routes,
        )

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        self._published.pop(slug, None)


def _answer(status: int, body: bytes) -> Rendered:
    return Rendered(status, (_JSON, (b"content-length", b"%d" % len(body))), body)
