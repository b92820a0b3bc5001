"""A kept line says what a function wrote and, whatever that was, who wrote it."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.logs.line import LONGEST, MARGIN, Source, notice, read, written
from tests.edge.logs.tokens import ENCODED, TOKEN

NOW = 1_800_000_000.5
AT = "2027-01-15T08:00:00.500Z"
SOURCE = Source("shop", "dep_1", "dep_1.1", "stdout")
WHO = {"function": "shop", "deployment": "dep_1", "instance": "dep_1.1", "stream": "stdout"}


def kept(raw: bytes, source: Source = SOURCE, more: int = 0) -> dict[str, Any]:
    line = written(raw, source, NOW, more)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found = read(line)
    assert found is not None
    return found


def said(**members: Any) -> bytes:
    whole = {"requestId": "r", "function": "shop", "timestamp": AT, "args": ["x"], **members}
    return json.dumps(whole).encode()


def test_plain_text_is_a_message() -> None:
    assert kept(b"hello\r") == {"timestamp": AT, "level": "info", "message": "hello", **WHO}


def test_a_line_of_the_context_keeps_all_its_members() -> None:
    found = kept(said(company=42, args=["Procesando", {"id": 1}], level="warn", extra=None))
    assert found == {
        "requestId": "r",
        "timestamp": AT,
        "args": ["Procesando", {"id": 1}],
        "company": 42,
        "level": "warn",
        "extra": None,
        **WHO,
    }


@pytest.mark.parametrize(
    "forged",
    [
        {"function": "bank"},
        {"deployment": "dep_x", "instance": "dep_x.1", "stream": "edge"},
    ],
)
def test_no_function_speaks_in_anothers_name(forged: dict[str, str]) -> None:
    found = kept(said(**forged))
    assert {name: found[name] for name in WHO} == WHO


def test_no_line_begins_within_another() -> None:
    forged = b'{"function":"bank","timestamp":"x","message":"y"}'
    found = kept(b"a\r" + forged + b"\x0b\x0c\x85" + "\u2028".encode() + forged)
    assert found["function"] == "shop"


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("2027-01-15T08:00:00.400Z", "2027-01-15T08:00:00.400Z"),
        ("2027-01-15T07:59:59+00:00", "2027-01-15T07:59:59.000Z"),
        ("2027-01-15T02:59:59.123456-05:00", "2027-01-15T07:59:59.123Z"),
        ("2020-01-01T00:00:00Z", AT),
        ("2999-01-01T00:00:00Z", AT),
        ("2027-01-15T08:00:00", AT),
        ("yesterday", AT),
    ],
)
def test_a_functions_time_is_believed_if_it_can_be_true(claimed: str, expected: str) -> None:
    assert kept(said(timestamp=claimed))["timestamp"] == expected


@pytest.mark.parametrize(
    "raw",
    [
        said(args="none"),
        said(timestamp=1),
        b'{"args": "timestamp"',
        b'{"args":' + b"[" * 5000 + b'"timestamp"',
        b'{"timestamp":"x","args":' + b"[" * 600 + b"]" * 600 + b"}",
        b"[1]",
        b"null",
    ],
)
def test_what_only_looks_like_one_is_text(raw: bytes) -> None:
    assert kept(raw)["message"] == raw.decode()


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO:     Started", "info"),
        ("[warning] x", "warn"),
        ("Traceback", "error"),
        ("oops", "error"),
    ],
)
def test_stderr_is_an_error_unless_it_says_otherwise(text: str, level: str) -> None:
    assert kept(text.encode(), Source("shop", "d", "i", "stderr"))["level"] == level


@pytest.mark.parametrize("token", [TOKEN, ENCODED])
@pytest.mark.parametrize("form", ["%s", "x=%s&y", '{"timestamp":"' + AT + '","args":["%s"]}'])
def test_no_token_is_kept(token: str, form: str) -> None:
    line = written((form % token if form != "%s" else token).encode(), SOURCE, NOW)
    assert token.encode() not in line
    assert b"[redacted]" in line
    assert read(line) is not None


def test_a_token_spelt_with_escapes_is_not_kept() -> None:
    spelt = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    line = written(f'{{"timestamp":"{AT}","args":["{spelt}"]}}'.encode(), SOURCE, NOW)
    assert TOKEN.encode() not in line
    assert b"[redacted]" in line


@pytest.mark.parametrize("at", range(LONGEST - 60, LONGEST + 5, 7))
def test_a_line_that_is_cut_leaves_no_part_of_a_token(at: int) -> None:
    raw = (b"x" * at + TOKEN.encode() + b"y" * 40_000)[: LONGEST + MARGIN]
    line = written(raw, SOURCE, NOW, more=30_000)
    assert TOKEN[7:20].encode() not in line


def test_many_tokens_leave_no_part_of_the_last() -> None:
    raw = (TOKEN.encode() + b" ") * 1000
    line = written(raw[: LONGEST + MARGIN], SOURCE, NOW, more=20_000)
    assert TOKEN[7:12].encode() not in line


def test_a_long_line_is_cut_and_says_so() -> None:
    found = kept(b"x" * (LONGEST + 5))
    assert (len(found["message"]), found["cut"]) == (LONGEST, 5)
    found = kept(b"x" * (LONGEST + MARGIN), more=1_000_000)
    assert found["cut"] == 1_000_000 + MARGIN
    assert len(found["message"]) <= LONGEST
    assert "cut" not in kept(b"x" * LONGEST)


@given(st.binary(max_size=200), st.sampled_from(["stdout", "stderr"]))
def test_any_bytes_are_one_line_of_json(raw: bytes, stream: str) -> None:
    found = kept(raw.replace(b"\n", b""), Source("shop", "d", "i", stream))
    assert found["function"] == "shop"
    assert isinstance(found["message"], str)


def test_what_the_edge_says_is_its_own() -> None:
    source = Source("shop", "d", "i", "edge")
    found = orjson.loads(notice("3 lines were dropped", source, NOW))
    assert (found["stream"], found["level"]) == ("edge", "warn")
