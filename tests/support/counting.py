"""Events as a worker may note them, and the counts that they come to."""

from collections.abc import Sequence

from hypothesis import strategies as st

from edge.events import CronRan, CutOff, Event, Unread
from edge.observe.pages import Vitals
from edge.observe.tally import Snapshot, Tally
from tests.support.accounts import BEGAN, account

VITALS = Vitals(
    pid=7, since=1.5, generation=3, in_flight=2, streams=1, resident=4096, descriptors=9
)

finished = st.builds(
    account,
    st.sampled_from(["", "edge", "shop", "ventas"]),
    status=st.sampled_from([0, 200, 401, 503]),
    code=st.sampled_from(["", "unauthorized", "overloaded"]),
    reason=st.sampled_from(["missing", "revoked"]),
    lane=st.sampled_from(["fast", "asgi"]),
    whole=st.booleans(),
    seconds=st.floats(0, 200),
    set_out=st.just(0.0) | st.floats(BEGAN, BEGAN + 1),
    answered=st.just(0.0) | st.floats(BEGAN + 1, BEGAN + 2),
    received=st.integers(0, 9),
    sent=st.integers(0, 9),
    mcp_method=st.sampled_from(["", "tools/call", "made/up"]),
    tool=st.sampled_from(["", "getOrder"]),
    tool_failed=st.none() | st.booleans(),
)
ran = st.builds(
    CronRan,
    st.sampled_from(["shop", "ventas"]),
    st.just("run_1"),
    st.sampled_from(["ok", "error", "unknown"]),
    st.just(200),
    st.just(""),
    st.floats(0, 9),
)
events = st.lists(
    finished | ran | st.builds(Unread, st.sampled_from(["bad_request", "overloaded"]))
    | st.builds(CutOff, st.sampled_from(["flood", "slow_reader"]))
)  # fmt: skip


def counted(happened: Sequence[Event], before: Tally | None = None) -> Snapshot:
    """What a tally counts, with what it had counted before."""
    tally = before or Tally()
    tally.watch(happened)
    return tally.snapshot()
