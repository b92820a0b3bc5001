"""An input cut into pieces or made long, as follows from it: the same when it is tried again."""

import random
import zlib

from tests.support.request_bytes import cut, dripped

MAX_SIZE = 64 * 1024
"""Bytes of an input."""

_DRIPPED = 256
"""Bytes of an input that is short enough to come one by one."""


def ways_to_cut(data: bytes) -> list[list[bytes]]:
    """A few ways in which the bytes may come, other than at once."""
    source = random.Random(zlib.crc32(data))
    ways = [cut(data, [source.randrange(len(data) + 1) for _ in range(count)]) for count in (1, 4)]
    return [*ways, list(dripped(data))] if len(data) <= _DRIPPED else ways


def stretched(data: bytes) -> bytes | None:
    """For one input in 128, the same with a part of it repeated until it is as long as may be.

    So short inputs show what takes more than its share of time where there is much of it.
    """
    source = random.Random(zlib.crc32(data))
    if not data or source.randrange(128):
        return None
    start = source.randrange(len(data))
    end = source.randrange(start, min(len(data), start + 64)) + 1
    times = (MAX_SIZE - len(data)) // (end - start)
    return data[:start] + data[start:end] * times + data[end:]
