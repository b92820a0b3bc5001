"""The tools that ask back (MCP 2026-07-28, multi-round-trip requests), as pure functions.

Each is given what the client has said so far and returns its next result: an `InputRequiredResult`
or a `CallToolResult`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.wanted import Result, text

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What came with the call.

    Attributes:
        answers: of `inputResponses`, by key; empty on the first round.
        state: `requestState` as this tool gave it out, or None.
        capabilities: those that the client declared.
    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def content(self, key: str) -> Mapping[str, Any] | None:
        """What was filled into a form, if it was."""
        answer = self.answers.get(key)
        filled = answer.get("content") if isinstance(answer, Mapping) else None
        return filled if isinstance(filled, Mapping) else None


def asks(requests: Mapping[str, Request], state: str | None = None) -> Result:
    """An `InputRequiredResult`."""
    result: Result = {"resultType": "input_required", "inputRequests": dict(requests)}
    return result if state is None else result | {"requestState": state}


def form(message: str, name: str, kind: str = "string") -> Request:
    """A form of one required field."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    params = {"mode": "form", "message": message, "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def sample(prompt: str, max_tokens: int) -> Request:
    """A question to the client's model."""
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    params = {"messages": [message], "maxTokens": max_tokens}
    return {"method": "sampling/createMessage", "params": params}


ROOTS: Request = {"method": "roots/list", "params": {}}
NAME = form("What is your name?", "name")
CONFIRM = form("Please confirm", "ok", "boolean")
CAPITAL = sample("What is the capital of France?", 100)


def elicitation(said: Said) -> Result:
    filled = said.content("user_name")
    return asks({"user_name": NAME}) if filled is None else text(f"Hello, {filled.get('name')}!")


def sampling(said: Said) -> Result:
    answer = said.content("capital_question")
    if answer is None:
        return asks({"capital_question": CAPITAL})
    return text(f"Model said: {answer.get('text')}")


def list_roots(said: Said) -> Result:
    answer = said.answers.get("client_roots")
    if not isinstance(answer, Mapping):
        return asks({"client_roots": ROOTS})
    return text(f"Client exposed {len(answer.get('roots', []))} root(s).")


def request_state(said: Said) -> Result:
    if said.state == "nonce" and said.content("confirm") is not None:
        return text("state-ok")
    return asks({"confirm": CONFIRM}, "nonce")


def multiple_inputs(said: Said) -> Result:
    wanted = {"user_name": NAME, "greeting": sample("Say hello", 50), "client_roots": ROOTS}
    if wanted.keys() <= said.answers.keys():
        return text("All inputs received.")
    return asks(wanted, "multiple")


def multi_round(said: Said) -> Result:
    """Name, then colour; the name travels in the state."""
    name = said.content("step1")
    colour = said.content("step2")
    if said.state is not None and colour is not None:
        return text(f"{json.loads(said.state)['name']} likes {colour.get('color')}.")
    if said.state is not None and name is not None:
        state = json.dumps({"round": 2, "name": name.get("name")})
        return asks({"step2": form("Step 2: What is your favorite color?", "color")}, state)
    step = form("Step 1: What is your name?", "name")
    return asks({"step1": step}, json.dumps({"round": 1, "name": None}))


def tampered_state(said: Said) -> Result:
    """That a changed state never arrives is for whoever seals it."""
    if said.state is None:
        return asks({"confirm": CONFIRM}, "round-1")
    return text(f"state-ok: {said.state}")


def capabilities(said: Said) -> Result:
    """Asks only for what the client declared."""
    wanted = {"sampling": sample("Say hello", 50), "elicitation": NAME}
    return asks({key: wanted[key] for key in wanted if key in said.capabilities}, "declared")


Tool = Callable[[Said], Result]

_TOOLS: tuple[Tool, ...] = (
    elicitation,
    sampling,
    list_roots,
    request_state,
    multiple_inputs,
    multi_round,
    tampered_state,
    capabilities,
)

ROUNDS: dict[str, Tool] = {
    "test_streaming_elicitation": elicitation,
    **{f"test_input_required_result_{tool.__name__}": tool for tool in _TOOLS},
}
"""By the name of the tool."""
