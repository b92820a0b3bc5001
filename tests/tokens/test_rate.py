"""A rate says how many, in how long, and never lets more be earned than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.rate import UNITS, Rate, parse_rate


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("count", [1, 7, 100, 999_999_999])
def test_what_is_written_is_what_is_read(count: int, unit: str) -> None:
    rate = parse_rate(f"{count}/{unit}")
    assert (rate.count, rate.seconds, str(rate)) == (count, UNITS[unit], f"{count}/{unit}")


@pytest.mark.parametrize(
    "text", ["", "100", "100/", "/m", "0/m", "-1/m", "1.5/m", "100/w", "100 / m", "1/m\n", "1/M"]
)
def test_anything_else_is_an_error_that_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="100/m"):
        parse_rate(text)


@given(st.integers(1, 10**9 - 1), st.sampled_from(list(UNITS.values())))
def test_rounding_never_gives_more(count: int, seconds: int) -> None:
    rate = Rate(count, seconds)
    assert rate.interval * count >= seconds * 10**9
    assert rate.window == rate.interval * count
