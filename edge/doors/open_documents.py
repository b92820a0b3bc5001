"""What `/__health` and `/openapi.json` of a function answer."""

from collections.abc import Callable
from typing import Any, Literal

import orjson

from edge.doors.openapi_document import published
from edge.doors.rendering import Rendered, json_answer
from edge.errors import EdgeError, Errors, refusal
from edge.functions import Deployment, Function
from edge.gate.decisions import Place
from edge.state.catalogs import Catalogs
from edge.state.health import Health
from edge.state.per_deployment import PerDeployment


class OpenDocuments:
    """Makes them; a published document is kept as long as its deployment is live.

    Args:
        url_of: the published address of a function by its slug.
    """

    def __init__(self, catalogs: Catalogs, health: Health, url_of: Callable[[str], str]) -> None:
        self._catalogs = catalogs
        self._health = health
        self._url_of = url_of
        self._published = PerDeployment(self._publish)
        self.forget = self._published.forget

    async def render(self, document: Literal["health", "openapi"], place: Place) -> Rendered:
        """The answer, without the fields that every answer carries.

        Raises:
            EdgeError: 404, there is no document.
        """
        if document == "health":
            return await self._render_health(place.function)
        body = await self._published.of(place.function.live)
        if body is None:
            raise EdgeError(refusal(Errors.NOT_FOUND, "This function has no OpenAPI document."))
        return json_answer(200, body)

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
        no_store = ((b"cache-control", b"no-store"),)
        return json_answer(200 if answers else 503, orjson.dumps(body), no_store)

    def _publish(self, live: Deployment) -> bytes | None:
        if live.document is None:
            return None
        return published(
            live.document,
            url=self._url_of(live.slug),
            public=live.project.config.public,
            routes=live.routes,
        )
