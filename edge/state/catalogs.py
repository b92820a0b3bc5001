"""The tools of each live deployment, built from its document beside the loop."""

from edge.functions import Deployment, Function
from edge.project_file import catalogs
from edge.state.per_deployment import Documents, PerDeployment
from mcp_bridge.catalog import Catalog

NONE = Catalog()


class Catalogs:
    """Built when first asked for, and kept as `PerDeployment` keeps."""

    def __init__(self, documents: Documents) -> None:
        self._built = PerDeployment(documents, _build)
        self.forget = self._built.forget

    def known(self, function: Function) -> Catalog | None:
        """The tools that the function offers, if they are built already."""
        return self._built.known(function.live) if function.config.mcp.enabled else NONE

    async def of(self, function: Function) -> Catalog:
        """The tools that the edge offers for the function.

        None where `config.mcp` is false, nor where the function is an MCP server itself.

        Raises:
            StoreUnavailable: the document cannot be read.
        """
        mcp = function.config.mcp
        if not mcp.enabled or mcp.upstream is not None:
            return NONE
        return await self._built.of(function.live)


def _build(live: Deployment, document: bytes | None) -> Catalog:
    return catalogs.catalog(live.project, document)
