"""Calls that ask their client back (MCP 2026-07-28, multi round-trip requests).

What the function is told of the client, and its state, sealed on its way there and back.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mcp_bridge.endpoint import Endpoint
from mcp_bridge.literal import InputRequired, missing_capability
from mcp_bridge.results import Result
from mcp_bridge.session import SessionKeys
from mcp_bridge.state import Call, digest_of, header_value, open_state, seal_state

_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


class StateRefused(Exception):
    """The state that a client brings is not one of ours for this call, or is too old."""


class CannotAsk(Exception):
    """The client has not declared what the function wants to ask of it.

    Attributes:
        data: of the JSON-RPC error: `requiredCapabilities`.
    """

    def __init__(self, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class Rounds:
    """Seals and opens; one instance per worker.

    Args:
        keys: gives the sealing keys, the one to seal with first.
        clock: Unix time, seconds.
    """

    def __init__(
        self, keys: SessionKeys, clock: Callable[[], float], random: Callable[[int], bytes]
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._random = random

    def begin(
        self, endpoint: Endpoint, tool: str, arguments: dict[str, Any], params: dict[str, Any]
    ) -> "Round":
        """A call of the stateless revision, with what its client brings.

        Args:
            params: of the message.

        Raises:
            StateRefused: see there.
            StateError: it brings more than can be carried.
        """
        capabilities = params["_meta"][_CAPABILITIES]
        sealed, state = params.get("requestState"), None
        if sealed is not None:
            call = _call(endpoint, tool, arguments)
            opened = open_state(sealed, call, self._keys(), self._clock())
            if opened is None:
                raise StateRefused
            state = opened.state
        context = header_value(capabilities, params.get("inputResponses"), state)
        return Round(self, endpoint, tool, arguments, capabilities, context)

    def seal(self, call: Call, state: str) -> str:
        """The state as the client gets it; raises StateError."""
        return seal_state(state, call, self._keys(), self._clock(), self._random)


class Round(NamedTuple):
    """One such call.

    Attributes:
        context: what the function is told, as a field's value.
    """

    rounds: Rounds
    endpoint: Endpoint
    tool: str
    arguments: dict[str, Any]
    capabilities: dict[str, Any]
    context: bytes

    def asked_back(self, wanted: InputRequired) -> Result:
        """The result that asks the client.

        Raises:
            CannotAsk: the client cannot be asked that.
            StateError: the function's state cannot be carried.
        """
        missing = missing_capability(wanted, self.capabilities)
        if missing is not None:
            raise CannotAsk(missing.message, missing.data)
        if wanted.state is None:
            return wanted.result(None)
        call = _call(self.endpoint, self.tool, self.arguments)
        return wanted.result(self.rounds.seal(call, wanted.state))


def _call(endpoint: Endpoint, tool: str, arguments: dict[str, Any]) -> Call:
    return Call(endpoint.slug, endpoint.lineage, tool, digest_of(arguments))
