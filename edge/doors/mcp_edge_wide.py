"""The edge's own `/mcp`: which functions one request there is about, and how it is served.

A call is one function's, by its limits and settings, as if it had come to that function's `/mcp`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from edge.doors.asked import Asked
from edge.doors.invoker import FunctionInvoker, Refusing, Served
from edge.errors import EdgeError, Errors, Refusal, refusal, store_unavailable
from edge.forwarding.forwarder import Forwarder
from edge.functions import EDGE, Function
from edge.gate.decisions import BridgeAll
from edge.limits import Left, Limit, applying
from edge.state.merged_catalogs import MergedCatalogs
from edge.version import VERSION
from mcp_bridge import merging
from mcp_bridge.catalog import Catalog
from mcp_bridge.endpoint import Endpoint, McpRequest
from mcp_bridge.merging import Named
from mcp_bridge.names import full_name
from tokens.model import EDGE_WIDE

TITLE = "jelou-edge"
INSTRUCTIONS = (
    "The tools of several functions: each name is the function's, two underscores and the tool's."
)


@dataclass(frozen=True, slots=True)
class EdgeWideMcp:
    """Says what requests to the edge's own `/mcp` are for.

    Attributes:
        max_timeout: milliseconds that no tool's own timeout exceeds.
        take: counts a call against its function's limit: what is left of it, or the refusal.
    """

    merged: MergedCatalogs
    forwarder: Forwarder
    max_timeout: int
    take: Callable[[tuple[Limit, ...]], tuple[Left, ...] | Refusal]

    def at_once(self, asked: Asked, decision: BridgeAll, request: McpRequest) -> Served | None:
        """What a request is for, if nothing must be waited for to say so.

        Raises:
            EdgeError: it is a call that its function's rate limit does not allow now.
        """
        needed = merging.needed(request)
        if not isinstance(needed, Named):
            catalog = self.merged.list_of(_of(decision)) if needed == "every tool" else Catalog()
            return None if catalog is None else self._listing(decision, catalog)
        for function in self._named(decision, needed.name):
            catalog = self.merged.callable_at_once(function)
            if catalog is None:
                return None
            if _has(function, catalog, needed.name):
                return self._calling(asked, decision, function, catalog, needed.name)
        return self._listing(decision, Catalog())

    async def served(self, asked: Asked, decision: BridgeAll, request: McpRequest) -> Served:
        """What a request is for; raises EdgeError as `at_once` does."""
        needed = merging.needed(request)
        if not isinstance(needed, Named):
            wanted = needed == "every tool"
            every = await self.merged.read(_of(decision)) if wanted else Catalog()
            return self._listing(decision, every)
        for function in self._named(decision, needed.name):
            catalog = await self.merged.callable(function)
            if catalog is None:
                return self._broken(decision, function, needed.name)
            if _has(function, catalog, needed.name):
                return self._calling(asked, decision, function, catalog, needed.name)
        return self._listing(decision, Catalog())

    def _named(self, decision: BridgeAll, name: str) -> list[Function]:
        """The functions that may have a tool of this name, of those that the token may reach."""
        only = _of(decision)
        return [each for each in self.merged.named(name) if only in (None, each.slug)]

    def _listing(self, decision: BridgeAll, catalog: Catalog) -> Served:
        """For requests that call nothing."""
        endpoint = self._endpoint(decision, catalog)
        return Served(endpoint, Refusing(refusal(Errors.NOT_FOUND)))

    def _calling(
        self, asked: Asked, decision: BridgeAll, function: Function, catalog: Catalog, name: str
    ) -> Served:
        mcp = function.config.mcp
        endpoint = replace(
            self._endpoint(decision, catalog),
            forward_headers=mcp.forward_headers,
            search=mcp.search,
            group=function.slug,
        )
        invoker = FunctionInvoker(
            forwarder=self.forwarder,
            function=function,
            principal=decision.principal,
            ids=asked.ids,
            caller=asked.caller(decision.place(function)),
            max_timeout=self.max_timeout,
        )
        return Served(endpoint, invoker, self._counted(endpoint, function, name))

    def _counted(self, endpoint: Endpoint, function: Function, name: str) -> tuple[Left, ...]:
        """Count a call; one of a tool that is not its caller's is none of the function's."""
        limits = applying(None, function)
        is_callers = merging.is_search_tool(function.slug, name) or endpoint.find(name) is not None
        left = self.take(limits) if limits and is_callers else ()
        if isinstance(left, Refusal):
            raise EdgeError(left)
        return left

    def _broken(self, decision: BridgeAll, function: Function, name: str) -> Served:
        """The function's tools cannot be read: a call to one fails, and nothing else."""
        own = name.removeprefix(full_name(function.slug, ""))
        public = function.config.public
        catalog = merging.stand_in(name, own, function.slug, public=public)
        return Served(self._endpoint(decision, catalog), Refusing(store_unavailable()))

    def _endpoint(self, decision: BridgeAll, catalog: Catalog) -> Endpoint:
        return Endpoint(
            slug=EDGE,
            version=VERSION,
            title=TITLE,
            description=INSTRUCTIONS,
            catalog=catalog,
            principal=decision.principal,
            public=False,
        )


def _of(decision: BridgeAll) -> str | None:
    """The one function that the token may reach, or None for every one."""
    function = decision.principal.function
    return None if function == EDGE_WIDE else function


def _has(function: Function, catalog: Catalog, name: str) -> bool:
    """Whether a name is of a tool of this function: its own, or one of search mode's."""
    return name in catalog.entries or merging.is_search_tool(function.slug, name)
