"""What a caller is told of rate limits, as draft-ietf-httpapi-ratelimit-headers-10 has it."""

import pytest

from edge.errors import Errors
from edge.limits import Left, Limit, exceeded, fields, too_many_failures
from tokens.rate import parse_rate

TOKEN = Limit("token", "tok_1", parse_rate("100/m"))
FUNCTION = Limit("function", "shop", parse_rate("5/h"))


def test_nothing_is_told_where_there_is_no_limit() -> None:
    assert fields(()) == ()


def test_each_limit_is_one_member_of_both_lists() -> None:
    assert dict(fields((Left(TOKEN, 99, 1), Left(FUNCTION, 0, 720)))) == {
        b"ratelimit": b'"token";r=99;t=1, "function";r=0;t=720',
        b"ratelimit-policy": b'"token";q=100;w=60, "function";q=5;w=3600',
    }


@pytest.mark.parametrize(
    ("left", "wait", "named"),
    [
        ((Left(TOKEN, 0, 1),), b"1", "token is 100/m;"),
        ((Left(TOKEN, 9, 50), Left(FUNCTION, 0, 720)), b"720", "over all callers, is 5/h;"),
        ((Left(TOKEN, 0, 1), Left(FUNCTION, 0, 720)), b"720", "over all callers, is 5/h;"),
        ((Left(TOKEN, 0, 0),), b"1", "token is 100/m;"),
    ],
)
def test_a_refusal_names_the_limit_that_lasts_longest_and_when_to_come_again(
    left: tuple[Left, ...], wait: bytes, named: str
) -> None:
    refused = exceeded(left)
    assert refused.kind is Errors.RATE_LIMITED.value
    assert refused.headers == ((b"retry-after", wait), *fields(left))
    assert named in refused.message


def test_too_many_failures_say_nothing_of_limits_but_when_to_come_again() -> None:
    assert too_many_failures(3).headers == ((b"retry-after", b"3"),)
