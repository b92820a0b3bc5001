"""The tools of each live deployment, built from its document once per worker."""

from edge.functions import Deployment, Function
from edge.project_file import catalogs
from edge.state.per_deployment import PerDeployment
from mcp_bridge.catalog import Catalog

NONE = Catalog()


class Catalogs:
    """Built when first asked for, beside the loop."""

    def __init__(self) -> None:
        self._built = PerDeployment(_build)
        self.forget = self._built.forget

    async def of(self, function: Function) -> Catalog:
        """The tools that the function offers; none where `config.mcp` is false."""
        if not function.config.mcp.enabled:
            return NONE
        return await self._built.of(function.live)


def _build(live: Deployment) -> Catalog:
    return catalogs.catalog(live.project, live.document)
