"""What a client may get wrong in frames and streams: h2spec's cases for RFC 9113, §4 to §7."""

from collections.abc import Mapping

from tests.judges.http2_judging import (
    CANCEL,
    COMPRESSION_ERROR,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HELD,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    TWO_GIB,
    WINDOW,
    Case,
    answered,
    block,
    connection,
    head,
    ignored_or_answered,
    open_post,
    sized,
    stream,
)
from tests.support.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    frame,
    literal,
    setting,
)

STARTING_AND_FRAMES: Mapping[str, Case] = {
    "4.1 a frame of unknown type is ignored": Case(
        frame(0x16, 0, b"12345678") + head(1), answered(1)
    ),
    "4.1 undefined flags are ignored": Case(
        frame(PING, 0, b"flagged.", 0x16) + head(1), answered(1)
    ),
    "4.1 the reserved bit is ignored": Case(
        frame(PING, 1 << 31, b"reserved") + head(1), answered(1)
    ),
    "4.2 DATA of 2^14 octets is taken": Case(
        open_post() + frame(DATA, 1, b"x" * 16384, END_STREAM), answered(1)
    ),
    "4.2 DATA over the largest size": Case(
        open_post() + frame(DATA, 1, b"x" * 16385, END_STREAM), stream(1, FRAME_SIZE_ERROR)
    ),
    "4.2 HEADERS over the largest size": Case(
        head(1, block() + literal(b"x", b"y" * 120) * 140), connection(FRAME_SIZE_ERROR)
    ),
    "4.3 a block that cannot be read": Case(
        head(1, b"\x40\x01a\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff"), connection(COMPRESSION_ERROR)
    ),
    "4.3 PRIORITY amid a block": Case(
        head(1, flags=END_STREAM) + frame(PRIORITY, 1, bytes(5)), connection(PROTOCOL_ERROR)
    ),
    "4.3 HEADERS of another stream amid a block": Case(
        head(1, flags=END_STREAM) + head(3), connection(PROTOCOL_ERROR)
    ),
}

STREAMS: Mapping[str, Case] = {
    "5.1 idle: DATA": Case(
        frame(DATA, 1, b"test", END_STREAM), connection(PROTOCOL_ERROR, STREAM_CLOSED)
    ),
    "5.1 idle: RST_STREAM": Case(
        frame(RST_STREAM, 1, CANCEL.to_bytes(4)), connection(PROTOCOL_ERROR)
    ),
    "5.1 idle: WINDOW_UPDATE": Case(
        frame(WINDOW_UPDATE, 1, b"\0\0\0\x64"), connection(PROTOCOL_ERROR)
    ),
    "5.1 idle: CONTINUATION": Case(
        frame(CONTINUATION, 1, block(), END_HEADERS), connection(PROTOCOL_ERROR)
    ),
    "5.1 idle: PRIORITY is ignored": Case(
        frame(PRIORITY, 1, bytes(4) + b"\x0f") + head(3), answered(3)
    ),
    "5.1 half-closed: DATA": Case(
        head(1, block(HELD)) + frame(DATA, 1, b"test", END_STREAM), stream(1, STREAM_CLOSED)
    ),
    "5.1 half-closed: HEADERS": Case(head(1, block(HELD)) + head(1), stream(1, STREAM_CLOSED)),
    "5.1 half-closed: CONTINUATION": Case(
        head(1, block(HELD)) + frame(CONTINUATION, 1, b"", END_HEADERS),
        stream(1, STREAM_CLOSED, PROTOCOL_ERROR),
    ),
    "5.1 half-closed: WINDOW_UPDATE and PRIORITY are taken": Case(
        head(1) + frame(WINDOW_UPDATE, 1, b"\0\0\0\1") + frame(PRIORITY, 1, bytes(5)),
        answered(1),
    ),
    "5.1 half-closed: RST_STREAM is taken": Case(
        head(1, block(HELD)) + frame(RST_STREAM, 1, CANCEL.to_bytes(4)) + head(3),
        answered(3),
    ),
    "5.1 reset: DATA": Case(
        open_post() + frame(RST_STREAM, 1, CANCEL.to_bytes(4)) + frame(DATA, 1, b"x", END_STREAM),
        stream(1, STREAM_CLOSED),
    ),
    "5.1 reset: HEADERS": Case(
        open_post() + frame(RST_STREAM, 1, CANCEL.to_bytes(4)) + head(1),
        stream(1, STREAM_CLOSED),
    ),
    "5.1 reset: CONTINUATION": Case(
        open_post() + frame(RST_STREAM, 1, CANCEL.to_bytes(4)) + frame(CONTINUATION, 1, b"", 4),
        stream(1, STREAM_CLOSED, PROTOCOL_ERROR),
    ),
    "5.1 closed: DATA": Case(
        head(1), stream(1, STREAM_CLOSED), frame(DATA, 1, b"test", END_STREAM), after=1
    ),
    "5.1 closed: HEADERS": Case(head(1), connection(STREAM_CLOSED), head(1), after=1),
    "5.1 closed: CONTINUATION": Case(
        head(1),
        connection(STREAM_CLOSED, PROTOCOL_ERROR),
        frame(CONTINUATION, 1, b"", END_HEADERS),
        after=1,
    ),
    "5.1 closed: PRIORITY is ignored": Case(
        head(1), answered(1, 3), frame(PRIORITY, 1, bytes(5)) + head(3), after=1
    ),
    "5.1.1 an even stream": Case(head(2), connection(PROTOCOL_ERROR)),
    "5.1.1 a stream below one before": Case(head(5) + head(3), connection(PROTOCOL_ERROR)),
    "5.3.1 HEADERS that depend on themselves": Case(
        head(1, bytes([0, 0, 0, 1, 255]) + block(), END_HEADERS | END_STREAM | WITH_PRIORITY),
        ignored_or_answered,
    ),
    "5.3.1 PRIORITY that depends on itself": Case(
        frame(PRIORITY, 1, bytes([0, 0, 0, 1, 255])) + head(1), ignored_or_answered
    ),
    "5.4.1 an error ends the connection with GOAWAY": Case(
        frame(PING, 0, b"1234567890"), connection(FRAME_SIZE_ERROR)
    ),
    "5.5 an extension amid a block": Case(
        head(1, flags=END_STREAM) + frame(0x16, 0, b"12345678"), connection(PROTOCOL_ERROR)
    ),
}

FRAMES: Mapping[str, Case] = {
    "6.1 DATA": Case(
        open_post() + frame(DATA, 1, b"a") + frame(DATA, 1, b"b", END_STREAM), answered(1)
    ),
    "6.1 padded DATA": Case(
        open_post() + frame(DATA, 1, b"\x03test\0\0\0", END_STREAM | PADDED), answered(1)
    ),
    "6.1 DATA on stream 0": Case(head(1) + frame(DATA, 0, b"test"), connection(PROTOCOL_ERROR)),
    "6.1 DATA with more padding than payload": Case(
        open_post() + frame(DATA, 1, b"\xfftest", END_STREAM | PADDED), connection(PROTOCOL_ERROR)
    ),
    "6.2 padded HEADERS with a priority": Case(
        head(1, b"\x02" + bytes(4) + b"\xff" + block() + b"\0\0", 1 | 4 | PADDED | WITH_PRIORITY),
        answered(1),
    ),
    "6.2 HEADERS on stream 0": Case(head(0), connection(PROTOCOL_ERROR)),
    "6.2 HEADERS with more padding than payload": Case(
        head(1, b"\xff" + block(), END_STREAM | END_HEADERS | PADDED), connection(PROTOCOL_ERROR)
    ),
    "6.3 PRIORITY on stream 0": Case(frame(PRIORITY, 0, bytes(5)), connection(PROTOCOL_ERROR)),
    "6.3 PRIORITY of four octets": Case(
        open_post() + frame(PRIORITY, 1, bytes(4)), stream(1, FRAME_SIZE_ERROR)
    ),
    "6.4 RST_STREAM on stream 0": Case(
        frame(RST_STREAM, 0, CANCEL.to_bytes(4)), connection(PROTOCOL_ERROR)
    ),
    "6.4 RST_STREAM of three octets": Case(
        open_post() + frame(RST_STREAM, 1, bytes(3)), connection(FRAME_SIZE_ERROR)
    ),
    "6.5 SETTINGS are acknowledged": Case(
        frame(SETTINGS, 0, setting(3, 100)) + head(1),
        lambda seen: seen.acknowledged >= 2 and answered(1)(seen),
    ),
    "6.5 SETTINGS on a stream": Case(
        frame(SETTINGS, 1, setting(3, 100)), connection(PROTOCOL_ERROR)
    ),
    "6.5 SETTINGS of three octets": Case(
        frame(SETTINGS, 0, bytes(3)), connection(FRAME_SIZE_ERROR)
    ),
    "6.5.2 ENABLE_PUSH of two": Case(frame(SETTINGS, 0, setting(2, 2)), connection(PROTOCOL_ERROR)),
    "6.5.2 INITIAL_WINDOW_SIZE over 2^31-1": Case(
        frame(SETTINGS, 0, setting(WINDOW, 2**31)), connection(FLOW_CONTROL_ERROR)
    ),
    "6.5.2 MAX_FRAME_SIZE below 2^14": Case(
        frame(SETTINGS, 0, setting(5, 16383)), connection(PROTOCOL_ERROR)
    ),
    "6.5.2 MAX_FRAME_SIZE over 2^24-1": Case(
        frame(SETTINGS, 0, setting(5, 2**24)), connection(PROTOCOL_ERROR)
    ),
    "6.5.2 an unknown setting is ignored": Case(
        frame(SETTINGS, 0, setting(0xFF, 1)) + head(1), answered(1)
    ),
    "6.5.3 of two values the last holds": Case(
        frame(SETTINGS, 0, setting(WINDOW, 100) + setting(WINDOW, 1)) + head(1), sized(1, 1)
    ),
    "6.6 PUSH_PROMISE of a client": Case(
        head(1, block(HELD)) + frame(PUSH_PROMISE, 1, b"\0\0\0\2" + block(), END_HEADERS),
        connection(PROTOCOL_ERROR),
    ),
    "6.7 PING is acknowledged": Case(
        frame(PING, 0, b"12345678"), lambda seen: seen.pongs[:1] == [b"12345678"]
    ),
    "6.7 an acknowledged PING is not answered": Case(
        frame(PING, 0, b"not this", ACK), lambda seen: seen.pongs == [b"at last."]
    ),
    "6.7 PING on a stream": Case(frame(PING, 1, b"12345678"), connection(PROTOCOL_ERROR)),
    "6.7 PING of six octets": Case(frame(PING, 0, bytes(6)), connection(FRAME_SIZE_ERROR)),
    "6.8 GOAWAY on a stream": Case(frame(GOAWAY, 1, bytes(8)), connection(PROTOCOL_ERROR)),
    "6.9 WINDOW_UPDATE": Case(
        frame(SETTINGS, 0, setting(WINDOW, 1)) + head(1),
        sized(1, 1, 2),
        frame(WINDOW_UPDATE, 0, b"\0\0\0\1") + frame(WINDOW_UPDATE, 1, b"\0\0\0\2"),
        after=-1,
    ),
    "6.9 WINDOW_UPDATE by nothing": Case(
        frame(WINDOW_UPDATE, 0, bytes(4)), connection(PROTOCOL_ERROR)
    ),
    "6.9 WINDOW_UPDATE of a stream by nothing": Case(
        open_post() + frame(WINDOW_UPDATE, 1, bytes(4)), stream(1, PROTOCOL_ERROR)
    ),
    "6.9 WINDOW_UPDATE of three octets": Case(
        frame(WINDOW_UPDATE, 0, bytes(3)), connection(FRAME_SIZE_ERROR)
    ),
    "6.9.1 no DATA goes past a window": Case(
        frame(SETTINGS, 0, setting(WINDOW, 1)) + head(1), sized(1, 1)
    ),
    "6.9.1 the connection's window over 2^31-1": Case(
        frame(WINDOW_UPDATE, 0, TWO_GIB.to_bytes(4)) * 2, connection(FLOW_CONTROL_ERROR)
    ),
    "6.9.1 a stream's window over 2^31-1": Case(
        open_post() + frame(WINDOW_UPDATE, 1, TWO_GIB.to_bytes(4)) * 2,
        stream(1, FLOW_CONTROL_ERROR),
    ),
    "6.9.2 windows grow with the setting": Case(
        frame(SETTINGS, 0, setting(WINDOW, 0)) + head(1) + frame(SETTINGS, 0, setting(WINDOW, 1)),
        sized(1, 1),
    ),
    "6.9.2 windows may fall below zero": Case(
        frame(SETTINGS, 0, setting(WINDOW, 3)) + head(1),
        sized(1, 3, 1),
        frame(SETTINGS, 0, setting(WINDOW, 2)) + frame(WINDOW_UPDATE, 1, b"\0\0\0\2"),
        after=-1,
    ),
    "6.10 CONTINUATION": Case(
        head(1, block()[:7], END_STREAM)
        + frame(CONTINUATION, 1, block()[7:20])
        + frame(CONTINUATION, 1, block()[20:], END_HEADERS),
        answered(1),
    ),
    "6.10 another frame between": Case(
        head(1, flags=END_STREAM) + frame(CONTINUATION, 1, b"") + frame(DATA, 1, b"x"),
        connection(PROTOCOL_ERROR),
    ),
    "6.10 CONTINUATION on stream 0": Case(
        head(1, flags=END_STREAM) + frame(CONTINUATION, 0, b"", END_HEADERS),
        connection(PROTOCOL_ERROR),
    ),
    "6.10 CONTINUATION of a block that has ended": Case(
        open_post() + frame(CONTINUATION, 1, b"", END_HEADERS), connection(PROTOCOL_ERROR)
    ),
    "6.10 CONTINUATION after CONTINUATION that ended": Case(
        head(1, flags=0) + frame(CONTINUATION, 1, b"", END_HEADERS) * 2, connection(PROTOCOL_ERROR)
    ),
    "6.10 CONTINUATION after DATA": Case(
        open_post() + frame(DATA, 1, b"x") + frame(CONTINUATION, 1, b"", END_HEADERS),
        connection(PROTOCOL_ERROR),
    ),
    "7 RST_STREAM with an unknown code": Case(
        head(1, block(HELD)) + frame(RST_STREAM, 1, b"\0\0\0\xff") + head(3), answered(3)
    ),
    "7 GOAWAY with an unknown code": Case(
        frame(GOAWAY, 0, bytes(4) + b"\0\0\0\xff"), lambda seen: seen.over
    ),
}
