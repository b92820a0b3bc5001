"""What `/__health` and `/openapi.json` of a function answer."""

from collections.abc import Callable
from typing import Any, Literal

import orjson

from edge.doors.openapi_document import Published, published
from edge.doors.rendering import Rendered, json_answer
from edge.errors import EdgeError, Errors, refusal, store_unavailable
from edge.functions import Deployment, Function
from edge.gate.decisions import Place
from edge.state.catalogs import Catalogs
from edge.state.health import Health
from edge.state.per_deployment import Documents, PerDeployment
from edge.state.view import StoreUnavailable


class OpenDocuments:
    """Makes them, and keeps published documents as `PerDeployment` does.

    Args:
        url_of: the published address of a function by its slug.
    """

    def __init__(
        self,
        documents: Documents,
        catalogs: Catalogs,
        health: Health,
        url_of: Callable[[str], str],
    ) -> None:
        self._catalogs = catalogs
        self._health = health
        self._url_of = url_of
        self._published = PerDeployment(documents, self._publish)
        self.forget = self._published.forget

    async def render(self, document: Literal["health", "openapi"], place: Place) -> Rendered:
        """The answer, without the fields that every answer carries.

        Raises:
            EdgeError: 404, there is no document; 503, the store cannot be read.
        """
        try:
            if document == "health":
                return await self._render_health(place.function)
            return await self._render_openapi(place.function)
        except StoreUnavailable:
            raise EdgeError(store_unavailable()) from None

    async def _render_openapi(self, function: Function) -> Rendered:
        made = await self._published.of(function.live)
        if made is None:
            raise EdgeError(refusal(Errors.NOT_FOUND, "This function has no OpenAPI document."))
        return json_answer(200, made.body)

    async def _render_health(self, function: Function) -> Rendered:
        shape = await self._shape(function)
        answers = await self._health.answers(function.live.project.upstreams)
        body: dict[str, Any] = {
            "status": "ok" if answers else "unavailable",
            **shape,
            "function": function.slug,
            "deployment": function.live.id,
        }
        no_store = ((b"cache-control", b"no-store"),)
        return json_answer(200 if answers else 503, orjson.dumps(body), no_store)

    async def _shape(self, function: Function) -> dict[str, Any]:
        """What kind of function it is, and its tools."""
        catalog = await self._catalogs.of(function)
        tools = [{"name": tool.name, "description": tool.description} for tool in catalog.tools]
        made = await self._published.of(function.live)
        if made is None or not made.defines:
            return {"mode": "app", "tools": tools}
        alone = {"name": made.name or function.slug, "description": made.description}
        return {"mode": "define", "tool": tools[0] if tools else alone}

    def _publish(self, live: Deployment, document: bytes | None) -> Published | None:
        if document is None:
            return None
        return published(
            document,
            url=self._url_of(live.slug),
            public=live.project.config.public,
            routes=live.routes,
        )
