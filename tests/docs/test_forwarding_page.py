"""`docs/forwarding.md` names the fields, rewritings, limits and errors that there are."""

import re
from dataclasses import replace

import pytest

from edge import headers
from edge.config import SETTINGS
from edge.errors import Errors
from edge.forwarding import chunks, parse, reader, websocket
from edge.forwarding.plan import Caller, answer_headers, request_headers
from edge.functions import Deployment, Function, FunctionConfig
from edge.message import Headers, Ids
from edge.project_file.parse import project_for_url
from tests.docs.pages import blocks, codes, only_code, page, rows
from tokens.model import Principal, Scopes, Token

PAGE = page("forwarding.md")
PROJECT = project_for_url("http://127.0.0.1:9000", "my-function")
FUNCTION = Function("my-function", 0.0, Deployment("dep_1", PROJECT, 0.0, "deploy", None, (), ""))
CALLER = Caller(
    b"edge.example",
    b"/my-function",
    ("203.0.113.7",),
    "203.0.113.7",
    b"https",
)
IDS = Ids(b"1", b"00-384d9319530682b55651605272ed354f-2d9869f9551f9627-00", continued=True)
PRINCIPAL = Principal("tok_1", "default", "my-function", Scopes(), "tok_1")


def sent_to_the_function(fields: Headers) -> Headers:
    upstream = PROJECT.upstreams[0]
    return request_headers(fields, IDS, CALLER, FUNCTION, upstream, PRINCIPAL, "http", "4bc3f2fc")


def answered(fields: Headers) -> Headers:
    upstream = PROJECT.upstreams[0]
    return answer_headers((), fields, IDS.request_id, CALLER, FUNCTION, upstream, checked=True)


def test_the_request_shown_has_the_fields_that_are_sent() -> None:
    shown = next(block.text for block in blocks(PAGE)).splitlines()[1:]
    sent = sent_to_the_function(((b"user-agent", b"curl/8.5.0"), (b"accept", b"*/*")))
    assert [line.partition(":")[0] for line in shown] == [name.decode() for name, _ in sent]


def test_every_field_that_is_set_is_explained() -> None:
    section = PAGE.partition("| field | what is in it |")[2].partition("A function can")[0]
    told = {code.lower() for cells in rows(section) for code in codes(cells[0])}
    ours = {name.decode() for name, _ in sent_to_the_function(())}
    assert told == ours | {"tracestate"}


def test_what_is_said_never_to_arrive_does_not() -> None:
    section = PAGE.partition("| never arrives |")[2].partition("Any other")[0]
    told = {code.lower().encode() for cells in rows(section) for code in codes(cells[0])}
    names = told - {b"trailers"}
    assert len(names) > 10
    arrived = sent_to_the_function(tuple((name, b"the caller's") for name in names))
    assert b"the caller's" not in {value for _, value in arrived}
    assert names >= headers.FRAMING - {b"content-length"}


REWRITTEN = [
    (only_code(cells[0]), only_code(cells[1]))
    for cells in rows(PAGE)
    if len(cells) == 2 and cells[0].startswith(("`Location: ", "`Set-Cookie: "))
]


@pytest.mark.parametrize(("said", "got"), REWRITTEN)
def test_what_is_said_to_be_rewritten_is(said: str, got: str) -> None:
    name, _, value = said.partition(": ")
    fields = dict(answered(((name.lower().encode(), value.encode()),)))
    assert f"{name}: {fields[name.lower().encode()].decode()}" == got


def test_an_answers_own_error_source_is_removed() -> None:
    names = {name for name, _ in answered(((b"x-jelou-error-source", b"edge"),))}
    assert b"x-jelou-error-source" not in names
    assert {b"vary", b"cache-control", b"x-request-id"} <= names


SIZES = {"KiB": 1024, "MiB": 1024**2, "s": 1, "min": 60}
LIMITS = {
    str(only_code(cells[2])): cells[1]
    for cells in rows(PAGE)
    if len(cells) == 4 and only_code(cells[2])
}


def number(text: str) -> float | None:
    if text == "no limit":
        return None
    match = re.fullmatch(r"([0-9,]+)(?: (KiB|MiB|s|min))?", text)
    assert match is not None, text
    return int(match[1].replace(",", "")) * SIZES.get(match[2], 1)


def test_the_limits_are_those_of_the_code() -> None:
    defaults = {setting.name: setting.default for setting in SETTINGS}
    config = FunctionConfig()
    told = {
        **defaults,
        "config.limits.body": config.body_limit,
        "config.timeout": config.timeout / 1000,
        "config.streamIdle": config.stream_idle / 1000,
        "max_timeout": defaults["max_timeout"] / 1000,
        "config.limits.rate": config.rate,
        "--rate": Token("tok_1", "shop", "ci", "abc1", 0, "tok_1").rate,
    }
    assert len(LIMITS) >= 19
    assert {name: number(text) for name, text in LIMITS.items()} == {
        name: told[name] for name in LIMITS
    }


def test_the_limits_of_an_answer_are_those_of_the_code() -> None:
    told = {cells[0]: cells[1] for cells in rows(PAGE) if len(cells) == 4}
    fixed = f"{parse.HEAD_LIMIT // 1024} KiB, {parse.FIELD_LIMIT} fields"
    assert told["head of the function's answer"] == fixed
    assert told["interim answers (1xx) before it"] == str(reader.INTERIM_LIMIT)
    assert told["trailers of its answer"] == f"{chunks.TRAILER_LIMIT // 1024} KiB"
    assert f"up to {websocket.MAX_MESSAGE // 1024**2} MiB each" in PAGE


def test_the_errors_shown_have_their_status() -> None:
    known = {error.value.code: error.value.status for error in Errors}
    told = {only_code(c[1]): c[0] for c in rows(PAGE) if len(c) == 3 and c[0].isdigit()}
    assert told
    assert {code: str(known[str(code)]) for code in told} == told


def test_a_preserved_host_is_the_callers() -> None:
    project = replace(PROJECT, preserve_host=True)
    function = replace(FUNCTION, live=replace(FUNCTION.live, project=project))
    sent = request_headers((), IDS, CALLER, function, PROJECT.upstreams[0], None, "mcp", "x")
    assert dict(sent)[b"host"] == b"edge.example"
    assert b"x-jelou-token-id" not in dict(sent)
