"""One request to the console: who asks, for what, and the operations within what he may.

Every operation is asked through `Desk.ask`, which holds it to the scope that the management API
holds it to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.admin.callers import check_scope
from edge.admin.errors import AdminError
from edge.admin.operations import Operations
from edge.admin.routes import BY_OPERATION
from edge.console.forms import Form
from edge.console.responses import Response
from edge.console.sessions import Session
from edge.console.trying import Tries
from edge.observe.series import Sample
from tokens.model import AccessToken

Recent = Callable[[], Sequence[Mapping[str, Any]]]
"""The last requests of all workers, newest first: lines of the access log. May block."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the console sees of traffic.

    Attributes:
        samples: the last hour, the oldest first. May block.
    """

    recent: Recent
    samples: Callable[[], Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Desk:
    """The operations as one access token may ask them."""

    operations: Operations
    caller: AccessToken

    def may(self, operation: str) -> bool:
        """Whether `ask` would let it through."""
        try:
            check_scope(self.caller, BY_OPERATION[operation].scope)
        except AdminError:
            return False
        return True

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Have an operation done. Blocks; raises AdminError."""
        check_scope(self.caller, BY_OPERATION[operation].scope)
        return getattr(self.operations, operation)(**arguments)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of somebody who is signed in.

    Attributes:
        now: Unix time, seconds.
        random: that many random bytes.
    """

    desk: Desk
    session: Session
    query: Form
    form: Form = field(repr=False)
    now: float
    seen: Seen
    tries: Tries
    random: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to show.

    Attributes:
        template: its file.
        context: what the template names.
        fragment: whether it is a piece of a page that is there already.
    """

    template: str
    context: Mapping[str, Any] = field(repr=False)
    status: int = 200
    fragment: bool = False


Answer = Shown | Response
