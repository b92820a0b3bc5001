"""Which requests need no token: where the raw path is public beyond doubt. Pure."""

from edge.functions import Route
from edge.gate import target
from edge.gate.decisions import Place
from edge.message import Head
from tokens.paths import is_plain


def route_for(place: Place, method: str) -> Route | None:
    """The tool that this request is for, if it has settings of its own; the first one counts."""
    for route in place.function.live.routes:
        if route.takes(method) and route.template.matches(place.path):
            return route
    return None


def is_public(head: Head, place: Place, route: Route | None) -> bool:
    """Whether no token is needed, for which the raw path must be beyond doubt."""
    if not is_plain(place.path):
        return False
    default = place.function.config.public
    if place.path == b"/mcp":
        return default
    public = default if route is None or route.public is None else route.public
    return public and not _may_be_protected(head, place)


def _may_be_protected(head: Head, place: Place) -> bool:
    """Whether a lenient function could read this public path as a protected one.

    An escaped letter, a trailing slash, a path parameter or another case must not lead around a
    token: where any reading would need one, this request does.
    """
    routes = place.function.live.routes
    if not routes:
        return False
    takers = [route for route in routes if route.takes(head.method.upper())]
    default = place.function.config.public
    return not all(
        _is_public_reading(reading, takers, default=default)
        for reading in target.lenient_readings(place.path)
    )


def _is_public_reading(reading: bytes, routes: list[Route], *, default: bool) -> bool:
    if not is_plain(reading):
        return False
    for route in routes:
        templates = target.lenient_templates(route.template.text)
        if any(template.matches(reading) for template in templates):
            return default if route.public is None else route.public
    return default
