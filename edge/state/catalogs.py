"""The tools of each live deployment, built from its document once per worker."""

import asyncio
from dataclasses import dataclass

import anyio.to_thread

from edge.functions import Deployment, Function
from edge.project_file import catalogs
from mcp_bridge.catalog import Catalog

NONE = Catalog()


@dataclass(frozen=True, slots=True)
class _Built:
    """A catalog made, or being made, for one deployment."""

    deployment: str
    catalog: asyncio.Future[Catalog]


class Catalogs:
    """Built when first asked for: a worker with thousands of functions starts at once.

    In a thread, since a large document takes a while that other requests must not wait for.
    """

    def __init__(self) -> None:
        self._built: dict[str, _Built] = {}

    async def of(self, function: Function) -> Catalog:
        """The tools that the function offers; none where `config.mcp` is false."""
        live = function.live
        if not live.project.config.mcp.enabled:
            return NONE
        known = self._built.get(function.slug)
        if known is None or known.deployment != live.id:
            known = _Built(live.id, asyncio.ensure_future(_build(live)))
            self._built[function.slug] = known
        return await asyncio.shield(known.catalog)

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        self._built.pop(slug, None)


async def _build(live: Deployment) -> Catalog:
    return await anyio.to_thread.run_sync(catalogs.catalog, live.project, live.document)
