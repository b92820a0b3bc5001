"""Which trace a request belongs to, whether it is recorded, and what its function is told."""

from hypothesis import given
from hypothesis import strategies as st

from edge.forwarding.plan import ids, ids_of_call
from edge.headers import traceparent

FRESH = st.binary(min_size=40, max_size=40).filter(lambda b: any(b[16:32]) and any(b[32:40]))
CALLERS = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sent(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"traceparent", value),)


@given(FRESH, st.none() | st.floats(0, 1))
def test_what_a_function_is_told_is_always_valid(fresh: bytes, sample: float | None) -> None:
    for fields in ((), sent(CALLERS)):
        asked = ids(fields, fresh, sample)
        calls = ids_of_call(asked, None), ids_of_call(asked, CALLERS)
        assert {call.traced for call in calls} == {asked.traced}
        for made in (asked, *calls):
            assert traceparent(sent(made.traceparent)) == made.traceparent
            assert not made.traced or made.traceparent[-2:] == b"01"


@given(FRESH)
def test_a_recorded_request_stands_between_its_caller_and_its_function(fresh: bytes) -> None:
    asked = ids(sent(CALLERS), fresh, 0.0)
    assert asked.traced
    assert asked.parent == CALLERS[36:52]
    assert asked.traceparent[:36] == CALLERS[:36]
    assert asked.traceparent[36:52] == fresh[32:40].hex().encode()
    call = ids_of_call(asked, None)
    assert call.parent == asked.traceparent[36:52]
    assert call.traceparent[36:52] not in (asked.traceparent[36:52], CALLERS[36:52])


@given(FRESH)
def test_a_trace_that_its_caller_does_not_record_goes_on_untouched(fresh: bytes) -> None:
    unsampled = CALLERS[:-2] + b"00"
    asked = ids(sent(unsampled), fresh, 1.0)
    assert (asked.traced, asked.traceparent) == (False, unsampled)
    assert ids_of_call(asked, None).traceparent == unsampled


@given(FRESH)
def test_of_new_traces_all_or_none_are_recorded_at_the_ends(fresh: bytes) -> None:
    assert ids((), fresh, 1.0).traced
    assert not ids((), fresh, 0.0).traced


def test_the_share_of_new_traces_is_kept() -> None:
    drawn = [bytes(24) + (n * 2**54).to_bytes(8) + bytes([1] * 8) for n in range(1, 1024)]
    assert sum(ids((), fresh, 0.25).traced for fresh in drawn) == 255


def test_a_newer_version_of_the_field_is_continued_as_the_one_that_is_spoken() -> None:
    newer = b"cc" + CALLERS[2:]
    assert ids(sent(newer), bytes(range(40)), 1.0).traceparent[:36] == b"00" + CALLERS[2:36]
