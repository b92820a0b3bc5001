"""`HEAD` requests that are refused before they are read: an error without its body (RFC 9110)."""

from dataclasses import replace

import pytest

from tests.edge.lanes.cases_requests import HEAD_OK, ask
from tests.edge.lanes.conftest import Lanes
from tests.edge.lanes.judge import judge
from tests.support.lanes_case import Answered, Case, Feed
from tests.support.lanes_expected import received, refused, relayed

_OK = relayed(b"", how="none", length=2)


def _refused(status: int = 400, code: str = "bad_request", *, head: bool = True) -> Answered:
    return refused(status, code, closes=True, head=head)


def _case(name: str, sent: bytes, *answers: Answered, world: str = "plain") -> Case:
    return Case(
        name=name,
        sent=sent,
        answers=answers or (_refused(),),
        after="gone",
        lane="either",
        world=world,
    )


_HOST = b"Host: shop.fn.localhost\r\n"
_START = b"HEAD / HTTP/1.1\r\n" + _HOST
_TIMEOUT = _refused(408, "request_timeout")
_TOO_LARGE = _refused(431, "headers_too_large")
ALONE = [
    _case("two lengths", _START + b"Content-Length: 1, 2\r\n\r\n"),
    _case("both framings", _START + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    _case("no host", b"HEAD / HTTP/1.1\r\n\r\n"),
    _case("a bad field", _START + b"A b\r\n\r\n"),
    _case("a folded field", _START + b"A: b\r\n c\r\n\r\n"),
    _case("a bare LF", _START + b"A: b\nC: d\r\n\r\n"),
    _case("a bare LF behind the method", b"HEAD \n"),
    _case("two spaces", b"HEAD  / HTTP/1.1\r\n" + _HOST + b"\r\n"),
    _case("another version", b"HEAD / HTTP/3.0\r\n" + _HOST + b"\r\n"),
    _case("no version", b"HEAD /\r\n\r\n"),
    _case("behind an empty line", b"\r\n" + _START + b"A b\r\n\r\n"),
    _case("a long line", ask("/" + "a" * 9000, "HEAD"), _refused(414, "uri_too_long")),
    _case("a large block", ask("/", "HEAD", (("a", "a" * 33000),)), _TOO_LARGE),
    _case("many fields", ask("/", "HEAD", (("a", "b"),) * 128), _TOO_LARGE),
    _case("stops in the line", b"HEAD / HT", _TIMEOUT, world="impatient"),
    _case("stops in the fields", _START, _TIMEOUT, world="impatient"),
]
WHOLE = [
    _case("no space", b"HEAD\t/ HTTP/1.1\r\n\r\n", _refused(head=False)),
    _case("the method alone", b"HEAD\r\n\r\n", _refused(head=False)),
    _case("another method", b"HEADS / HTTP/1.1\r\n\r\n", _refused(head=False)),
    _case("lower case", b"head / HTTP/1.1\r\n\r\n", _refused(head=False)),
    _case("a space before it", b" HEAD / HTTP/1.1\r\n\r\n", _refused(head=False)),
]


@pytest.mark.parametrize("feed", ["whole", "odd"])
@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
async def test_a_refused_head_request_gets_the_head_of_the_error_alone(
    lanes: Lanes, case: Case, feed: Feed
) -> None:
    await judge(lanes, case, feed)


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
async def test_that_head_is_the_one_that_get_would_have(lanes: Lanes, case: Case) -> None:
    [sent], [answer] = case.pieces, case.answers
    get = replace(
        case, sent=sent.replace(b"HEAD", b"GET", 1), answers=(replace(answer, how="length"),)
    )
    for lane, world in lanes[case.world].items():
        [of_head] = (await world.observe(case)).answers
        [of_get] = (await world.observe(get)).answers
        assert of_head.fields == of_get.fields, lane
        assert (of_head.body, bool(of_get.body)) == (b"", True), lane


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
async def test_what_is_no_head_request_gets_the_whole_error(lanes: Lanes, case: Case) -> None:
    await judge(lanes, case)


@pytest.mark.parametrize("feed", ["whole", "odd"])
@pytest.mark.parametrize(
    ("bad", "head"),
    [(_START + b"A b\r\n\r\n", True), (ask()[:-2] + b"A b\r\n\r\n", False), (b"junk\r\n", False)],
    ids=["HEAD", "GET", "junk"],
)
@pytest.mark.parametrize("before", ["HEAD", "GET"])
async def test_the_request_before_does_not_matter(
    lanes: Lanes, before: str, bad: bytes, head: bool, feed: Feed
) -> None:
    case = Case(
        name="the second is refused",
        sent=ask("/first", before) + bad,
        answers=(_OK if before == "HEAD" else relayed(), _refused(head=head)),
        received=(received(before, "/first"),),
        acts=(HEAD_OK,) if before == "HEAD" else (),
        after="gone",
        lane="either",
    )
    await judge(lanes, case, feed)
