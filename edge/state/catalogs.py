"""The tools of each live deployment, built from its document once per worker."""

from edge.admin import catalogs
from edge.functions import Function
from mcp_bridge.catalog import Catalog

EMPTY = Catalog()


class Catalogs:
    """Built when first asked for: a worker with thousands of functions starts at once."""

    def __init__(self) -> None:
        self._built: dict[str, tuple[str, Catalog]] = {}

    def of(self, function: Function) -> Catalog:
        """The tools that the function offers; none where `config.mcp` is false."""
        live = function.live
        if not live.project.config.mcp.enabled:
            return EMPTY
        known = self._built.get(function.slug)
        if known is None or known[0] != live.id:
            known = (live.id, catalogs.catalog(live.project, live.document))
            self._built[function.slug] = known
        return known[1]

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        self._built.pop(slug, None)
