"""What each kind of caller sees of a catalog: its list as JSON, made once, and its digest. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from mcp_bridge.endpoint import Endpoint
from mcp_bridge.jsontext import dump
from mcp_bridge.listing import listed
from mcp_bridge.search import SEARCH_TOOLS

MAX_KEPT = 16 * 1024 * 1024
"""Bytes of pages that one worker keeps."""

LEAST_WEIGHT = 512
"""Bytes that one page counts for at least."""

Kind = tuple[str, str, bool, bool, bool, tuple[str, ...]]
"""Callers of one kind see the same: by server, catalog, publicity, and what their token may do."""


class Pages:
    """One instance per worker."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._weight = 0

    def page(self, endpoint: Endpoint, revision: str, cursor: str | None) -> bytes:
        """The members `tools` and `nextCursor` of a `tools/list` result, without braces.

        Raises:
            ValueError: the cursor is none of ours.
        """
        return self._kept(
            (_kind(endpoint), revision, cursor), lambda: _page(endpoint, revision, cursor)
        )

    def digest(self, endpoint: Endpoint) -> str:
        """Changes when what this caller sees does; 32 hexadecimal characters."""
        return self._kept((_kind(endpoint),), lambda: _digest(endpoint)).decode()

    def _kept(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        known = self._pages.get(key)
        if known is not None:
            self._pages.move_to_end(key)
            return known
        made = self._pages[key] = make()
        self._weight += len(made) + LEAST_WEIGHT
        while self._weight > MAX_KEPT:
            _, gone = self._pages.popitem(last=False)
            self._weight -= len(gone) + LEAST_WEIGHT
        return made


def _kind(endpoint: Endpoint) -> Kind:
    principal = endpoint.principal
    scopes = principal.scopes.texts if principal else ()
    known = principal is not None
    digest, search, public = endpoint.catalog.digest, endpoint.search, endpoint.public
    return endpoint.slug, digest, search, public, known, scopes


def _page(endpoint: Endpoint, revision: str, cursor: str | None) -> bytes:
    if endpoint.search:
        if cursor is not None:
            raise ValueError("the cursor is none of this server's")
        return b'"tools":' + dump(SEARCH_TOOLS)
    page = endpoint.catalog.page(endpoint.visible(), cursor)
    tools = b'"tools":' + dump([listed(tool, revision) for tool in page.tools])
    if page.next_cursor is None:
        return tools
    return tools + b',"nextCursor":' + dump(page.next_cursor)


def _digest(endpoint: Endpoint) -> bytes:
    if endpoint.search:
        return sha256(dump(SEARCH_TOOLS)).hexdigest()[:32].encode()
    catalog = endpoint.catalog
    whole = sha256(b"".join(catalog.entries[tool.name].fingerprint for tool in endpoint.visible()))
    return whole.hexdigest()[:32].encode()
