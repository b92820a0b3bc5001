"""Decisions about `/mcp` on the edge's own hosts, the endpoint of many functions. Pure.

The order is that of a function's private `/mcp`.
"""

from edge import cors
from edge.errors import Errors, Refusal, refusal, unauthorized
from edge.functions import EDGE, Cors
from edge.gate.credentials import NotGood, authenticate_anywhere
from edge.gate.decisions import Answer, BridgeAll, Decision, GateSettings, Lookup, Refuse, View
from edge.gate.origin import is_known, origin_allowed
from edge.limits import applying
from edge.message import Head
from tokens.model import Token

_CORS = Cors()


def decide(
    view: View, head: Head, authority: bytes, now: float, settings: GateSettings
) -> Decision:
    """Decide about one request for it; arguments as for `edge.gate.decide.decide`.

    Args:
        authority: the host (and port) that the caller asked for.
    """
    if cors.is_preflight(head):
        return Answer(204, cors.preflight(_CORS, head.headers))
    token = authenticate_anywhere(view, head, now, settings)
    if isinstance(token, Lookup):
        return token
    if isinstance(token, NotGood):
        return Refuse(unauthorized(EDGE, token.reason), mcp=True, ended=token.ended)
    if not token.scopes.opens_mcp:
        return _refuse(refusal(Errors.FORBIDDEN), token)
    known = is_known(head, authority, settings.public_host, told=False)
    if not origin_allowed(head, authority, (), known=known):
        message = "This Origin may not use the MCP endpoint."
        return _refuse(refusal(Errors.FORBIDDEN, message), token)
    if head.websocket:
        allow = ((b"allow", b"POST, DELETE"),)
        return _refuse(refusal(Errors.METHOD_NOT_ALLOWED, headers=allow), token)
    limits = applying(token.principal, None)
    return BridgeAll(authority, settings.path_addressing, token.principal, token.expires, limits)


def _refuse(refused: Refusal, token: Token) -> Refuse:
    return Refuse(refused, mcp=True, by=token.id)
