"""What the tests of faults share."""

from collections.abc import Iterator

import pytest

from tests.support.whole_function import Function, function


@pytest.fixture
def origin() -> Iterator[Function]:
    """A function that does what the test says."""
    with function() as running:
        yield running
