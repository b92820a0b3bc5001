"""Rate limits: which apply to a request, and what its caller is told of them. Pure.

`RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10: lists of
policies by name, `q` requests in `w` seconds, `r` left for the next `t` seconds. Not here: counting
(`edge.state.rates`).
"""

from dataclasses import dataclass
from typing import Literal

from edge.errors import Errors, Refusal, refusal
from edge.functions import Function
from edge.message import Headers
from tokens.model import Principal
from tokens.rate import Rate


@dataclass(frozen=True, slots=True)
class Limit:
    """One that applies to a request.

    Attributes:
        policy: what it is called in the answer.
        whose: the lineage of the token, or the slug of the function: a rotation changes nothing.
    """

    policy: Literal["token", "function"]
    whose: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one.

    Attributes:
        requests: how many may be made at once.
        seconds: until none is owed any more; where none is left, until the next one.
    """

    limit: Limit
    requests: int
    seconds: int


def applying(principal: Principal | None, function: Function | None) -> tuple[Limit, ...]:
    """The limits of who asks and of what is asked, where there are any."""
    found: tuple[Limit, ...] = ()
    if principal is not None and principal.rate is not None:
        found = (Limit("token", principal.lineage, principal.rate),)
    if function is not None and (rate := function.config.rate) is not None:
        found += (Limit("function", function.slug, rate),)
    return found


def fields(every: tuple[Left, ...]) -> Headers:
    """The fields that tell of them; none if no limit applies."""
    if not every:
        return ()
    now = ", ".join([f'"{each.limit.policy}";r={each.requests};t={each.seconds}' for each in every])
    policies = ", ".join([_policy(each.limit) for each in every])
    return ((b"ratelimit", now.encode()), (b"ratelimit-policy", policies.encode()))


def _policy(limit: Limit) -> str:
    return f'"{limit.policy}";q={limit.rate.count};w={limit.rate.seconds}'


def exceeded(every: tuple[Left, ...]) -> Refusal:
    """The 429 for a request that one of these limits, or several, do not allow now."""
    over = [each for each in every if not each.requests]
    longest = max(over, key=lambda each: each.seconds)
    whose = "token" if longest.limit.policy == "token" else "function, over all callers,"
    message = f"The limit of this {whose} is {longest.limit.rate}; wait for Retry-After seconds."
    return refusal(Errors.RATE_LIMITED, message, (retry_after(longest.seconds), *fields(every)))


def too_many_failures(seconds: int) -> Refusal:
    """The 429 instead of a 401 for an address from which too many tokens were bad."""
    message = "Too many token checks from this address have failed; wait for Retry-After seconds."
    return refusal(Errors.RATE_LIMITED, message, (retry_after(seconds),))


def retry_after(seconds: int) -> tuple[bytes, bytes]:
    """`Retry-After` (RFC 9110 §10.2.3), at least a second."""
    return (b"retry-after", b"%d" % max(1, seconds))
