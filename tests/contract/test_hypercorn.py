"""What the server uses of Hypercorn beyond its documentation: if this fails, read the change.

`edge/server/hypercorn_*.py` subclass these; a new release that moves them must be met there.
"""

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H2ProtocolAssumedError, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.protocol.ws_stream import WSStream

from edge.server.hypercorn_connection import Connection
from edge.server.hypercorn_http1 import Http1
from edge.server.hypercorn_http2 import Http2
from edge.server.hypercorn_sending import Buffer, Sending
from edge.server.hypercorn_streams import Stream

PROTOCOL = "self app config context task_group connection_state ssl client server send"
STREAM = "self app config context task_group ssl client server send stream_id"


def parameters(call: Any) -> str:
    return " ".join(inspect.signature(call).parameters)


def test_the_release_is_the_one_that_was_read() -> None:
    assert version("hypercorn").startswith("0.18.")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (TCPServer.__init__, "self app loop config context state reader writer"),
        (H11Protocol.__init__, PROTOCOL),
        (H2Protocol.__init__, PROTOCOL),
        (HTTPStream.__init__, STREAM),
        (WSStream.__init__, STREAM),
        (WorkerContext.__init__, "self max_requests"),
        (StreamBuffer.pop, "self max_length"),
        (TaskGroup.spawn, "self func args"),
        (TaskGroup.spawn_app, "self app config scope send"),
        (H11WSConnection.__init__, "self h11_connection"),
        (H2ProtocolAssumedError.__init__, "self data"),
    ],
)
def test_what_is_called_takes_what_it_took(call: Any, expected: str) -> None:
    assert parameters(call) == expected


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (Connection, TCPServer, "run protocol_send _read_data _close"),
        (
            Http1,
            H11Protocol,
            "handle stream_send _handle_events _maybe_recycle _send_h11_event _close_stream",
        ),
        (
            Http2,
            H2Protocol,
            "initiate handle stream_send _send_data _handle_events _create_stream _close_stream",
        ),
        (
            Sending,
            H2Protocol,
            "stream_send _send_data _flush _close_stream _window_updated _priority_updated",
        ),
        (Buffer, StreamBuffer, "pop close drain push"),
        (Stream, HTTPStream, "handle app_send"),
    ],
)
def test_what_is_overridden_or_called_is_there_and_is_a_coroutine(
    ours: type, theirs: type, names: str
) -> None:
    for name in names.split():
        assert inspect.iscoroutinefunction(getattr(theirs, name)), name
        assert inspect.iscoroutinefunction(getattr(ours, name)), name
        if name in vars(ours):
            assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name)), name


def test_streams_have_the_states_that_tell_a_whole_answer() -> None:
    assert {state.name for state in ASGIHTTPState} == {"REQUEST", "RESPONSE", "TRAILERS", "CLOSED"}


@pytest.mark.parametrize(
    "name",
    [
        "include_date_header",
        "include_server_header",
        "errorlog",
        "accesslog",
        "h2_max_header_list_size",
        "h2_max_concurrent_streams",
        "keep_alive_max_requests",
        "keep_alive_timeout",
        "graceful_timeout",
        "ssl_handshake_timeout",
    ],
)
def test_settings_have_the_names_that_we_set(name: str) -> None:
    assert hasattr(Config(), name)


def test_tls_offers_http2_first() -> None:
    assert Config().alpn_protocols == ["h2", "http/1.1"]
