"""Rate limits through both lanes: counted alike, told alike, whatever a connection remembers."""

from itertools import count

import pytest

from tests.edge.lanes.cases_mcp import JSON, META, STATELESS, message
from tests.edge.lanes.cases_requests import ask
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Answered, Case, Pairs, token
from tests.support.lanes_expected import (
    CORS,
    by_name,
    received,
    refused,
    relayed,
    unauthorized,
)

DAY = 86_400
_numbers = count()


def mint(lanes: Lanes, slug: str, rate: str | None, world: str = "plain") -> tuple[str, Pairs]:
    """A token that no other test has, on both lanes: its name, and the fields that it goes in."""
    name = f"r{next(_numbers)}"
    for each in lanes[world].values():
        each.mint(slug, name, rate=rate)
    return name, (("X-Jelou-Token", token(name, slug)),)


def deploy(lanes: Lanes, rate: str, **config: object) -> str:
    """A function with this rate that no other test has, on both lanes."""
    slug = f"rated{next(_numbers)}"
    for each in lanes["plain"].values():
        each.edge.tokens[slug] = ""
        each.edge.deploy(each.origin.upstream, slug, limits={"rate": rate}, **config)  # type: ignore[arg-type]
        each.mint(slug, "default")
    return slug


def told(policy: str, quota: int, *left: tuple[int, int]) -> list[Pairs]:
    """The fields of so many answers; a quota is for a day."""
    return [
        (
            ("ratelimit", f'"{policy}";r={r};t={t}'),
            ("ratelimit-policy", f'"{policy}";q={quota};w={DAY}'),
        )
        for r, t in left
    ]


def limited(fields: Pairs, wait: int, **more: object) -> Answered:
    """The 429."""
    every = (*fields, ("retry-after", str(wait)))
    return refused(429, "rate_limited", every, **more)  # type: ignore[arg-type]


FIVE = [(4, DAY // 5), (3, 2 * DAY // 5), (2, 3 * DAY // 5), (1, 4 * DAY // 5), (0, DAY // 5)]


@pytest.mark.parametrize("again", [True, False], ids=["heads alike", "heads that differ"])
async def test_a_token_may_call_as_often_as_its_rate_says_and_is_told_what_is_left(
    lanes: Lanes, again: bool
) -> None:
    name, tokens = mint(lanes, "shop", "5/d")
    targets = ["/x" if again else f"/{number}" for number in range(7)]
    allowed = told("token", 5, *FIVE)
    case = Case(
        name="a token's rate",
        sent=b"".join(ask(target, tokens=tokens) for target in targets) + ask("/other"),
        answers=(
            *(relayed(fields=fields) for fields in allowed),
            *[limited(allowed[-1], DAY // 5)] * 2,
            relayed(),
        ),
        received=(
            *(received(target=target, token=name) for target in targets[:5]),
            received(target="/other"),
        ),
    )
    await judge(lanes, case)


async def test_one_after_another_on_a_connection_that_remembers_is_counted_too(
    lanes: Lanes,
) -> None:
    name, tokens = mint(lanes, "shop", "5/d")
    one = ask("/x", "POST", (("Content-Length", "2"),), tokens=tokens)
    allowed = told("token", 5, *FIVE)
    case = Case(
        name="a token's rate, each after the other's answer",
        sent=tuple([one + b"ab"] * 7),
        answers=(
            *(relayed(fields=fields) for fields in allowed),
            *[limited(allowed[-1], DAY // 5)] * 2,
        ),
        received=(received("POST", "/x", body=b"ab", token=name),) * 5,
    )
    await judge(lanes, case)


async def test_a_function_may_be_called_so_often_by_all_callers_together(lanes: Lanes) -> None:
    slug = deploy(lanes, "2/d")
    name, mine = mint(lanes, slug, None)
    host = f"{slug}.fn.localhost"
    first, last = told("function", 2, (1, DAY // 2), (0, DAY // 2))
    case = Case(
        name="a function's rate",
        sent=ask("/1", tokens=mine, host=host)
        + ask("/2", tokens=(("X-Jelou-Token", token(slug=slug)),), host=host)
        + ask("/3", tokens=mine, host=host)
        + ask("/4", tokens=(), host=host),
        answers=(
            relayed(fields=first),
            relayed(fields=last),
            limited(last, DAY // 2),
            unauthorized(slug),
        ),
        received=(
            received(target="/1", slug=slug, token=name, authority=host),
            received(target="/2", slug=slug, authority=host),
        ),
    )
    await judge(lanes, case)


async def test_a_public_function_is_limited_too_and_what_is_not_forwarded_is_not_counted(
    lanes: Lanes,
) -> None:
    slug = deploy(lanes, "1/d", public=True, methods=["GET"])
    host = f"{slug}.fn.localhost"
    [only] = told("function", 1, (0, DAY))
    case = Case(
        name="what counts",
        sent=ask("/", "POST", tokens=(), host=host)
        + ask("/openapi.json", tokens=(), host=host)
        + ask("/", tokens=(), host=host)
        + ask("/", tokens=(), host=host)
        + ask("/", "POST", tokens=(), host=host),
        answers=(
            refused(405, "method_not_allowed", (("allow", "GET, HEAD"),)),
            refused(404, "not_found"),
            relayed(fields=only, checked=False),
            limited(only, DAY),
            refused(405, "method_not_allowed", (("allow", "GET, HEAD"),)),
        ),
        received=(received(slug=slug, token=None, authority=host),),
    )
    await judge(lanes, case)


async def test_both_limits_are_told_and_the_one_that_lasts_longer_is_waited_for(
    lanes: Lanes,
) -> None:
    slug = deploy(lanes, "1/d")
    name, tokens = mint(lanes, slug, "4/d")
    host = f"{slug}.fn.localhost"

    def both(r: int, t: int) -> Pairs:
        return (
            ("ratelimit", f'"token";r={r};t={t}, "function";r=0;t={DAY}'),
            ("ratelimit-policy", f'"token";q=4;w={DAY}, "function";q=1;w={DAY}'),
        )

    case = Case(
        name="both",
        sent=ask("/", tokens=tokens, host=host) * 3,
        answers=(
            relayed(fields=both(3, DAY // 4)),
            *[limited(both(3, DAY // 4), DAY)] * 2,
        ),
        received=(received(slug=slug, token=name, authority=host),),
    )
    await judge(lanes, case)


async def test_a_body_that_is_refused_is_let_go_by(lanes: Lanes) -> None:
    name, tokens = mint(lanes, "shop", "1/d")
    [only] = told("token", 1, (0, DAY))
    case = Case(
        name="bodies",
        sent=ask("/", "POST", (), b"GET /a HTTP/1.1\r\n\r\n", tokens=tokens) * 2 + ask("/b"),
        answers=(relayed(fields=only), limited(only, DAY), relayed()),
        received=(
            received("POST", "/", body=b"GET /a HTTP/1.1\r\n\r\n", token=name),
            received(target="/b"),
        ),
    )
    await judge(lanes, case)


async def test_problem_details_and_head(lanes: Lanes) -> None:
    name, tokens = mint(lanes, "shop", "1/d")
    problem = (("Accept", "application/problem+json"),)
    [only] = told("token", 1, (0, DAY))
    case = Case(
        name="forms of the 429",
        sent=ask("/", tokens=tokens)
        + ask("/", fields=problem, tokens=tokens)
        + ask("/", "HEAD", tokens=tokens),
        answers=(
            relayed(fields=only),
            limited(only, DAY, content_type="application/problem+json"),
            limited(only, DAY, head=True),
        ),
        received=(received(token=name),),
    )
    await judge(lanes, case)


MCP_HOST = "tools.fn.localhost"


def pong(fields: Pairs) -> Answered:
    body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
    ours = (
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("x-request-id", "<uuid>"),
        ("date", "<date>"),
        ("cache-control", "private"),
        ("vary", "X-Jelou-Token"),
        *fields,
        *CORS,
    )
    return Answered(200, by_name(ours), body)


async def test_messages_to_mcp_count_and_get_a_json_rpc_error_in_both_eras(lanes: Lanes) -> None:
    _, tokens = mint(lanes, "tools", "4/d")
    quarter = DAY // 4
    allowed = told("token", 4, (3, quarter), (2, 2 * quarter), (1, 3 * quarter), (0, quarter))

    def post(body: bytes, *fields: tuple[str, str]) -> bytes:
        return ask("/mcp", "POST", (*JSON, *fields), body, tokens=tokens, host=MCP_HOST)

    ping = post(message("ping"))
    modern = post(
        message("tools/list", {"_meta": META}), STATELESS[0], ("Mcp-Method", "tools/list")
    )
    case = Case(
        name="MCP",
        sent=ping * 5 + modern,
        answers=(
            *(pong(fields) for fields in allowed),
            *[limited(allowed[-1], quarter)] * 2,
        ),
    )
    await judge(lanes, case)


async def test_a_server_that_is_passed_through_is_counted_once_for_each_message(
    lanes: Lanes,
) -> None:
    slug = deploy(lanes, "2/d", mcp={"upstream": "/own"})
    host = f"{slug}.fn.localhost"
    tokens = (("X-Jelou-Token", token(slug=slug)),)
    first, last = told("function", 2, (1, DAY // 2), (0, DAY // 2))
    ping = ask("/mcp", "POST", JSON, message("ping"), tokens=tokens, host=host)
    case = Case(
        name="passed through",
        sent=ping * 3,
        answers=(relayed(fields=first), relayed(fields=last), limited(last, DAY // 2)),
        lane="either",
    )
    for lane, world in lanes["plain"].items():
        observed = await world.observe(case)
        assert [answer.status for answer in observed.answers] == [200, 200, 429], lane
        left = [dict(answer.fields)["ratelimit"] for answer in observed.answers]
        assert left == [dict(fields)["ratelimit"] for fields in (first, last, last)], lane
        assert len(observed.received) == 2


async def test_a_handshake_counts_and_is_refused(lanes: Lanes) -> None:
    name, tokens = mint(lanes, "shop", "1/d")
    [only] = told("token", 1, (0, DAY))
    opening = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    first = Case(
        name="first",
        sent=ask("/", tokens=tokens),
        answers=(relayed(fields=only),),
        received=(received(token=name),),
    )
    await judge(lanes, first)
    case = Case(
        name="handshake",
        sent=ask("/ws", fields=opening, tokens=tokens),
        answers=(limited(only, DAY, closes=True),),
        after="gone",
        lane="either",
    )
    await judge(lanes, case)


# Failed token checks.

THREE = 3
WAIT = 20


def from_(address: str, fields: Pairs = (), **more: object) -> bytes:
    return ask("/", fields=(("X-Forwarded-For", address), *fields), **more)  # type: ignore[arg-type]


def throttled() -> Answered:
    return refused(429, "rate_limited", (("retry-after", str(WAIT)),))


@pytest.mark.parametrize("again", [True, False], ids=["heads alike", "heads that differ"])
async def test_of_one_address_only_so_many_tokens_may_be_bad_and_a_good_one_is_served(
    lanes: Lanes, again: bool
) -> None:
    address = f"203.0.113.{next(_numbers)}"
    bad = [() if again else (("X-Jelou-Token", f"jfn_rt_{number}"),) for number in range(6)]
    case = Case(
        name="bad tokens",
        sent=b"".join(from_(address, tokens=tokens) for tokens in bad)
        + from_(address)
        + from_(f"203.0.114.{next(_numbers)}", tokens=()),
        answers=(
            *[unauthorized()] * THREE,
            *[throttled()] * (len(bad) - THREE),
            relayed(),
            unauthorized(),
        ),
        received=(received(chain=f"{address}, 127.0.0.1", client=address),),
        world="wary",
    )
    await judge(lanes, case)


async def test_addresses_of_one_ipv6_network_are_one_source(lanes: Lanes) -> None:
    network = f"2001:db8:{next(_numbers):x}"
    case = Case(
        name="IPv6",
        sent=b"".join(from_(f"{network}::{number:x}", tokens=()) for number in range(4))
        + from_(f"{network}:1::1", tokens=()),
        answers=(*[unauthorized()] * THREE, throttled(), unauthorized()),
        world="wary",
    )
    await judge(lanes, case)


async def test_what_needs_no_token_fails_no_check(lanes: Lanes) -> None:
    address = f"203.0.115.{next(_numbers)}"
    public = {"host": "open.fn.localhost"}
    bad = (("X-Jelou-Token", "jfn_rt_x"),)
    case = Case(
        name="public",
        sent=from_(address, tokens=bad, **public) * 5 + from_(address, tokens=()) * 4,
        answers=(
            *[relayed(checked=False)] * 5,
            *[unauthorized()] * THREE,
            throttled(),
        ),
        received=(
            received(
                slug="open",
                token=None,
                authority="open.fn.localhost",
                chain=f"{address}, 127.0.0.1",
                client=address,
            ),
        )
        * 5,
        world="wary",
    )
    await judge(lanes, case)


async def test_what_strangers_say_of_their_address_is_not_believed(lanes: Lanes) -> None:
    case = Case(
        name="spoofed",
        sent=b"".join(from_(f"198.51.100.{number}", tokens=()) for number in range(5)),
        answers=(*[unauthorized()] * THREE, *[throttled()] * 2),
        world="stern",
    )
    await judge(lanes, case)
