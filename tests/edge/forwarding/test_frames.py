"""A WebSocket's frames as an onlooker sees them: where a Close frame may stand."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection

from edge.forwarding.frames import CloseCode, FrameWalker, close_frame

CLOSE = 0x8


def frame(opcode: int, size: int, *, final: bool, masked: bool) -> bytes:
    """A frame (RFC 6455 §5.2) whose payload is 0x88 throughout: it looks like Close frames."""
    if size < 126:
        length = bytes([size])
    elif size < 1 << 16:
        length = bytes([126]) + size.to_bytes(2, "big")
    else:
        length = bytes([127]) + size.to_bytes(8, "big")
    second = bytes([length[0] | (0x80 if masked else 0)])
    mask = b"mask" if masked else b""
    return bytes([opcode | (0x80 if final else 0)]) + second + length[1:] + mask + b"\x88" * size


FRAMES = st.lists(
    st.builds(
        frame,
        st.sampled_from([0x0, 0x1, 0x2, 0x9, 0xA, 0x41, CLOSE]),
        st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65535, 65536]),
        final=st.booleans(),
        masked=st.booleans(),
    ),
    max_size=8,
)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    edges = [0, *sorted({place % (len(data) + 1) for place in at}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@settings(max_examples=200)
@given(FRAMES, st.lists(st.integers(0, 1 << 20), max_size=12))
def test_a_close_frame_may_stand_between_frames_and_not_behind_another_wherever_pieces_are_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    ends, at, closed_from = {0}, 0, None
    for each in frames:
        if closed_from is None and each[0] & 0x0F == CLOSE:
            closed_from = at
        at += len(each)
        ends.add(at)
    walker, seen = FrameWalker(), 0
    for piece in cut(b"".join(frames), cuts):
        walker.feed(piece)
        seen += len(piece)
        closed = closed_from is not None and seen > closed_from
        assert walker.may_close == (seen in ends and not closed), seen


@given(FRAMES, st.integers(1, 7))
def test_pieces_may_be_of_any_size(frames: list[bytes], size: int) -> None:
    data = b"".join(frames)[:3000]
    whole, dripped = FrameWalker(), FrameWalker()
    whole.feed(data)
    for at in range(0, len(data), size):
        dripped.feed(data[at : at + size])
    assert (dripped.may_close, dripped.closed) == (whole.may_close, whole.closed)


def test_what_the_edge_says_is_a_close_frame_amid_fragments_too() -> None:
    for code in CloseCode:
        sender, client = Connection(ConnectionType.SERVER), Connection(ConnectionType.CLIENT)
        client.receive_data(sender.send(BytesMessage(b"part", message_finished=False)))
        client.receive_data(close_frame(code))
        *_, event = client.events()
        assert isinstance(event, CloseConnection)
        assert event.code == code
