"""Which event loop a worker runs on. The one module that names uvloop, which is optional."""

import asyncio
from collections.abc import Callable

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

try:
    from uvloop import new_event_loop as _uvloop
except ImportError:  # it has no builds for this platform, or was left out
    UVLOOP: LoopFactory | None = None
else:
    UVLOOP = _uvloop


class LoopMissing(Exception):
    """The event loop that was asked for is not installed; the text says what to do."""


def loop_factory(name: str, uvloop: LoopFactory | None = UVLOOP) -> LoopFactory:
    """What makes the event loop of that name. Raises LoopMissing.

    Args:
        name: as the setting `loop` has it.
        uvloop: what makes uvloop's, None where it is not installed.
    """
    if name == "asyncio":
        return asyncio.new_event_loop
    if uvloop is None and name == "uvloop":
        raise LoopMissing(
            "loop is uvloop, which is not installed: install the package uvloop, "
            "or set loop to auto or asyncio."
        )
    return uvloop or asyncio.new_event_loop
