"""What a client may get wrong in messages and their fields: h2spec's for RFC 9113 §8, RFC 7541."""

from collections.abc import Mapping

from tests.judges.http2_judging import (
    AT_ONCE,
    COMPRESSION_ERROR,
    HELD,
    INTERNAL_ERROR,
    PROTOCOL_ERROR,
    Case,
    answered,
    block,
    connection,
    head,
    malformed,
    open_post,
    stream,
    with_field,
    with_raw,
)
from tests.support.http2_frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    SETTINGS,
    frame,
    literal,
    setting,
)

MESSAGES: Mapping[str, Case] = {
    "8.1 GET, and POST with trailers": Case(
        head(1)
        + head(3, block(method=b"POST"), END_HEADERS)
        + frame(DATA, 3, b"x")
        + head(3, literal(b"x-checked", b"yes")),
        answered(1, 3),
    ),
    "8.1 HEAD": Case(
        head(1, block(method=b"HEAD")),
        lambda seen: 1 in seen.ended and not any(seen.sizes.get(1, [])),
    ),
    "8.1 trailers that do not end the stream": Case(
        open_post() + frame(DATA, 1, b"x") + head(1, literal(b"a", b"b"), END_HEADERS), malformed
    ),
    "8.1 trailers with a pseudo-field": Case(
        open_post() + frame(DATA, 1, b"x") + head(1, literal(b":method", b"POST")), malformed
    ),
    "8.1.1 a content-length above the body's": Case(
        open_post((b"content-length", b"2")) + frame(DATA, 1, b"x", END_STREAM), malformed
    ),
    "8.1.1 a content-length below that of two DATA": Case(
        open_post((b"content-length", b"1")) + frame(DATA, 1, b"x") + frame(DATA, 1, b"y", 1),
        malformed,
    ),
    "8.1.1 a content-length without a body": Case(with_field(b"content-length", b"5"), malformed),
    "8.1.1 two content-lengths": Case(
        open_post((b"content-length", b"1"), (b"content-length", b"2")) + frame(DATA, 1, b"x", 1),
        malformed,
    ),
    "8.2.1 a name in upper case": Case(with_field(b"X-Test", b"ok"), malformed),
    "8.2.1 a name with a space": Case(with_field(b"x test", b"ok"), malformed),
    "8.2.1 a name with a colon": Case(with_field(b"x:test", b"ok"), malformed),
    "8.2.1 a value with a line break": Case(with_field(b"x-test", b"a\r\nb: c"), malformed),
    "8.2.1 a value with NUL": Case(with_field(b"x-test", b"a\0"), malformed),
    "8.2.1 a value that begins with a space": Case(with_field(b"x-test", b" a"), malformed),
    "8.2.2 connection": Case(with_field(b"connection", b"keep-alive"), malformed),
    "8.2.2 transfer-encoding": Case(with_field(b"transfer-encoding", b"chunked"), malformed),
    "8.2.2 keep-alive": Case(with_field(b"keep-alive", b"timeout=5"), malformed),
    "8.2.2 proxy-connection": Case(with_field(b"proxy-connection", b"close"), malformed),
    "8.2.2 upgrade": Case(with_field(b"upgrade", b"websocket"), malformed),
    "8.2.2 te other than trailers": Case(with_field(b"te", b"trailers, deflate"), malformed),
    "8.2.2 te: trailers is taken": Case(with_field(b"te", b"trailers"), answered(1)),
    "8.3 an unknown pseudo-field": Case(head(1, literal(b":test", b"ok") + block()), malformed),
    "8.3 a pseudo-field of answers": Case(
        head(1, literal(b":status", b"200") + block()), malformed
    ),
    "8.3 a pseudo-field behind a field": Case(
        head(1, block(AT_ONCE, (b"x-test", b"ok"), (b":path", AT_ONCE), without=b"")), malformed
    ),
    "8.3 a pseudo-field behind a field, once": Case(
        head(1, literal(b"x-test", b"ok") + block()), malformed
    ),
    "8.3.1 an empty :path": Case(head(1, block(b"")), malformed),
    **{
        f"8.3.1 no {name.decode()}": Case(head(1, block(without=name)), malformed)
        for name in (b":method", b":scheme", b":path")
    },
    **{
        f"8.3.1 {name.decode()} twice": Case(head(1, literal(name, value) + block()), malformed)
        for name, value in (
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", AT_ONCE),
            (b":authority", b"127.0.0.1"),
        )
    },
    "8.3.1 a host that is not the :authority": Case(with_field(b"host", b"other"), malformed),
}

HPACK: Mapping[str, Case] = {
    "7541 6.1 indexed": Case(
        head(1, b"\x82\x86" + literal(b":authority", b"x") + literal(b":path", AT_ONCE)),
        answered(1),
    ),
    **{
        f"7541 6.2 {name}": Case(with_raw(first + b"\x07user-xx\x04test"), answered(1))
        for name, first in (
            ("with indexing", b"\x40"),
            ("without indexing", b"\0"),
            ("never indexed", b"\x10"),
        )
    },
    **{
        f"7541 6.2 {name}, an indexed name": Case(with_raw(first + b"\x00"), answered(1))
        for name, first in (
            ("with indexing", b"\x7a"),
            ("without indexing", b"\x0f\x2b"),
            ("never indexed", b"\x1f\x2b"),
        )
    },
    "7541 5.2 Huffman": Case(with_raw(b"\x40\x01a\x83\x49\x50\x9f"), answered(1)),
    "7541 6.3 table sizes before a block": Case(
        head(1, b"\x20\x3f\xe1\x1f" + block()), answered(1)
    ),
    "7541 2.3.3 an index beyond the tables": Case(
        with_raw(b"\xff\x80\x01"), connection(COMPRESSION_ERROR)
    ),
    "7541 2.3.3 a name's index beyond the tables": Case(
        with_raw(b"\x7f\x80\x01\x04test"), connection(COMPRESSION_ERROR)
    ),
    "7541 4.2 a table size behind a block": Case(with_raw(b"\x20"), connection(COMPRESSION_ERROR)),
    **{
        f"7541 5.2 Huffman {name}": Case(
            with_raw(b"\0\x01a" + value), connection(COMPRESSION_ERROR)
        )
        for name, value in (
            ("padded by more than seven bits", b"\x84\x49\x50\x9f\xff"),
            ("padded with zeros", b"\x83\x49\x50\x90"),
            ("with EOS", b"\x87\x4f\xff\xff\xff\xfd\x25\x42"),
        )
    },
    "7541 6.1 index zero": Case(with_raw(b"\x80"), connection(COMPRESSION_ERROR)),
    "7541 6.3 a table larger than allowed": Case(
        head(1, b"\x3f\xe1\xff\x03" + block()), connection(COMPRESSION_ERROR)
    ),
}

DIFFERENT: Mapping[str, Case] = {
    "6.5 an acknowledgement with a payload, which is a FRAME_SIZE_ERROR": Case(
        frame(SETTINGS, 0, setting(3, 100), ACK), connection(PROTOCOL_ERROR)
    ),
    "6.8 a request before GOAWAY, which may be waited for": Case(
        head(1, block(HELD)) + frame(GOAWAY, 0, bytes(8)), lambda seen: seen.over
    ),
    "8.1.1 trailers before the whole of the content-length, which is a PROTOCOL_ERROR": Case(
        open_post((b"content-length", b"2")) + frame(DATA, 1, b"x") + head(1, literal(b"a", b"b")),
        stream(1, INTERNAL_ERROR),
    ),
}
"""Where h2, and so the edge, does otherwise: another code, and GOAWAY that ends all."""
