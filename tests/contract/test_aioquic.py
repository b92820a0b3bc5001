"""What the server uses of aioquic beyond its documentation: if this fails, read the change.

`edge/server/quic_connection.py` and `http3_framing.py` subclass these; a new release that moves
them must be met there.
"""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aioquic.h3.connection import H3Connection, H3Stream
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.stream import QuicStream

from edge.server.http3_framing import Framing
from edge.server.quic_connection import Quic


def test_the_release_is_the_one_that_was_read() -> None:
    assert version("aioquic").startswith("1.7.")


def own(kind: type) -> list[str]:
    """Methods of a class of ours that stand for one of aioquic's."""
    (base,) = kind.__bases__
    return sorted(name for name in vars(kind) if name != "__init__" and hasattr(base, name))


def test_what_is_replaced_is_what_was_read() -> None:
    shared = {"__doc__", "__module__"}
    assert set(own(Quic)) - shared == {
        "_handle_crypto_frame",
        "_handle_reset_stream_frame",
        "_handle_stream_frame",
        "_replenish_connection_ids",
        "_write_connection_limits",
        "_write_stream_limits",
    }
    assert set(own(Framing)) - shared == {
        "_check_control_frame_type",
        "_check_request_or_push_frame_type",
        "_decode_headers",
        "_get_local_settings",
        "_handle_request_or_push_frame",
        "_receive_request_or_push_data",
    }


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Quic, QuicConnection), (Framing, H3Connection)], ids=["quic", "http3"]
)
def test_what_is_replaced_takes_what_it_took(ours: Any, theirs: Any) -> None:
    for name in own(ours):
        if callable(getattr(ours, name)):
            assert [*inspect.signature(getattr(ours, name)).parameters] == [
                *inspect.signature(getattr(theirs, name)).parameters
            ], name


def test_what_is_looked_into_is_there() -> None:
    stream = QuicStream(stream_id=0)
    for name in ("_buffer", "_buffer_start", "_pending", "_pending_eof", "_reset_error_code"):
        assert hasattr(stream.sender, name), name
    for name in ("_ranges", "is_finished", "highest_offset", "starting_offset"):
        assert hasattr(stream.receiver, name), name
    for name in ("buffer", "headers_recv_state", "receiving_ended", "sending_ended", "frame_size"):
        assert hasattr(H3Stream(0), name), name
    connection = QuicConnection(configuration=QuicConfiguration(is_client=True))
    for name in (
        "_close_event",
        "_crypto_streams",
        "_host_cids",
        "_local_initial_source_connection_id",
        "_local_max_data",
        "_local_max_streams_bidi",
        "_local_max_streams_uni",
        "_loss",
        "_network_paths",
        "_state",
        "_streams",
    ):
        assert hasattr(connection, name), name
    assert connection._loss.bytes_in_flight == 0
