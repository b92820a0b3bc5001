"""The tools of many functions at one address: what is kept of them, so that little is made anew.

Of a list what is shown is kept, for every function that was listed; of what calls need only the
latest few functions' are, for the rest is the functions' own (`edge/state/catalogs.py`).
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from edge.functions import Function
from edge.state.catalogs import Catalogs
from edge.state.view import StoreUnavailable
from mcp_bridge import merging
from mcp_bridge.catalog import Catalog
from mcp_bridge.names import MAX_NAME, is_legal, may_name

RETRY_AFTER = 1.0
"""Seconds after which a function whose tools could not be read is listed again, if it can be."""

_NO_TOOLS = Catalog()

MAX_CALLABLE = 64
"""Functions whose tools are kept by the names that calls use."""


class Functions(Protocol):
    """What a worker knows of functions."""

    @property
    def generation(self) -> int:
        """Another one whenever the functions may have changed."""
        ...

    def by_slug(self, slug: str) -> Function | None:
        """The live function with this slug."""
        ...

    def functions(self) -> list[Function]:
        """Every live function."""
        ...


@dataclass(frozen=True, slots=True)
class _Callable:
    """A function's tools as calls name them, and what they were made from."""

    source: Catalog
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class _Listed:
    """A deployment's part of the list.

    Attributes:
        until: a monotonic time, seconds, to which this holds.
    """

    deployment: str
    listing: Catalog
    until: float = inf


class MergedCatalogs:
    """One instance per worker.

    Args:
        clock: a monotonic clock, seconds.
        log: told what is wrong with a function's tools, unless it is the store.
    """

    def __init__(
        self,
        functions: Functions,
        catalogs: Catalogs,
        clock: Callable[[], float],
        log: Callable[[BaseException, bytes], None],
    ) -> None:
        self._functions = functions
        self._catalogs = catalogs
        self._clock = clock
        self._log = log
        self._callable: OrderedDict[str, _Callable] = OrderedDict()
        self._listed: dict[str, _Listed] = {}
        self._merged: Catalog | None = None
        self._generation = -1
        self._until = inf

    # For calls.

    def named(self, name: str) -> list[Function]:
        """The functions that a tool's name may be of: mostly one or none."""
        if not is_legal(name):
            return []
        direct = self._functions.by_slug(name.partition("__")[0])
        if direct is not None and may_name(direct.slug, name):
            found = [direct]
        elif len(name) < MAX_NAME:
            found = []
        else:
            found = [each for each in self._functions.functions() if may_name(each.slug, name)]
        return [each for each in found if is_served(each)]

    def callable_at_once(self, function: Function) -> Catalog | None:
        """A function's tools by the names that they have here, if its own are known."""
        source = self._catalogs.known(function)
        return None if source is None else self._made(function, source)

    async def callable(self, function: Function) -> Catalog | None:
        """The same; None if they cannot be read."""
        source = await self._source(function)
        return None if source is None else self._made(function, source)

    def _made(self, function: Function, source: Catalog) -> Catalog:
        slug = function.slug
        made = self._callable.get(slug)
        if made is None or made.source is not source:
            renamed = merging.renamed(slug, source, public=function.config.public)
            made = self._callable[slug] = _Callable(source, renamed)
        self._callable.move_to_end(slug)
        if len(self._callable) > MAX_CALLABLE:
            self._callable.popitem(last=False)
        return made.catalog

    # For lists.

    def list_of(self, slug: str | None) -> Catalog | None:
        """What one function lists, or all of them (None); None if that must be read first."""
        if slug is None:
            return self._whole()
        found = self._served(slug)
        return self._known(found[0]) if found else _NO_TOOLS

    async def read(self, slug: str | None) -> Catalog:
        """The same, read where need be; a function that cannot be read is left out."""
        for function in self._served(slug):
            if self._known(function) is None:
                await self._read(function)
        return self.list_of(slug) or (self._current() if slug is None else _NO_TOOLS)

    def _whole(self) -> Catalog | None:
        """The whole list; nothing is looked at where nothing can have changed."""
        generation = self._functions.generation
        unchanged = self._generation == generation and self._clock() < self._until
        if self._merged is not None and unchanged:
            return self._merged
        if any(self._known(each) is None for each in self._served()):
            return None
        self._generation = generation
        return self._current()

    def _current(self) -> Catalog:
        """The list of what is known of the functions that there are."""
        for slug in self._listed.keys() - {each.slug for each in self._served()}:
            self.forget(slug)
        if self._merged is None:
            listed = [self._listed[slug] for slug in sorted(self._listed)]
            self._until = min((each.until for each in listed), default=inf)
            self._merged = merging.merged(each.listing for each in listed)
        return self._merged

    def _served(self, slug: str | None = None) -> list[Function]:
        if slug is None:
            return [each for each in self._functions.functions() if is_served(each)]
        function = self._functions.by_slug(slug)
        return [function] if function is not None and is_served(function) else []

    def _known(self, function: Function) -> Catalog | None:
        listed = self._listed.get(function.slug)
        if listed is None or listed.deployment != function.live.id:
            return None
        return listed.listing if self._clock() < listed.until else None

    async def _read(self, function: Function) -> None:
        source = await self._source(function)
        self._listed[function.slug] = self._made_listed(function, source)
        self._merged = None

    def _made_listed(self, function: Function, source: Catalog | None) -> _Listed:
        if source is None:
            return _Listed(function.live.id, _NO_TOOLS, self._clock() + RETRY_AFTER)
        slug, config = function.slug, function.config
        shown = merging.listing(slug, source, public=config.public, search=config.mcp.search)
        return _Listed(function.live.id, shown)

    async def _source(self, function: Function) -> Catalog | None:
        """A function's own tools, or None: whatever is wrong with one is no fault of the others."""
        try:
            return await self._catalogs.of(function)
        except StoreUnavailable:
            return None
        except Exception as error:
            self._log(error, b"-")
            return None

    def forget(self, slug: str) -> None:
        """A function has changed or gone."""
        self._callable.pop(slug, None)
        if self._listed.pop(slug, None) is not None:
            self._merged = None


def is_served(function: Function) -> bool:
    """Whether a function's tools are served here; not where it is an MCP server itself."""
    mcp = function.config.mcp
    return mcp.enabled and mcp.upstream is None
