"""Random bytes drawn in larger pieces are each given out once."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.fast.lane import DRAWN, Entropy

SIZES = st.lists(
    st.one_of(st.integers(0, 64), st.integers(DRAWN - 2, DRAWN + 2), st.integers(0, 3 * DRAWN)),
    max_size=40,
)


class Counting:
    """A source none of whose 8-byte words comes twice."""

    def __init__(self) -> None:
        self.words = 0
        self.drawn = bytearray()

    def __call__(self, size: int) -> bytes:
        count = -(-size // 8)
        made = b"".join((self.words + n).to_bytes(8, "big") for n in range(count))[:size]
        self.words += count
        self.drawn += made
        return made


@settings(max_examples=150, deadline=None)
@given(sizes=SIZES)
@example(sizes=[DRAWN])
@example(sizes=[DRAWN - 1, 1, 1])
@example(sizes=[DRAWN - 1, 2])
@example(sizes=[1, DRAWN])
@example(sizes=[40] * 300)
@example(sizes=[3 * DRAWN, 1, 3 * DRAWN])
def test_no_byte_is_given_out_twice(sizes: list[int]) -> None:
    source = Counting()
    entropy = Entropy(source)
    at = 0
    for size in sizes:
        given_out = entropy(size)
        assert len(given_out) == size
        at = source.drawn.index(given_out, at) + size


def test_the_source_is_asked_seldom() -> None:
    asked: list[int] = []

    def source(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    entropy = Entropy(source)
    for _ in range(3 * (DRAWN // 40)):
        entropy(40)
    assert asked == [DRAWN] * 3
    entropy(DRAWN + 1)
    assert asked == [DRAWN] * 3 + [DRAWN + 1]
