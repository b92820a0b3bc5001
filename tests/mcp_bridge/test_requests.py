"""A tool and its arguments as a request: the style tables, and that no value leaves its place."""

import base64
import json
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.requests import ArgumentError, build
from mcp_bridge.tools import Operation, Parameter, RequestBody, Tool, ToolRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


NO_BODY = RequestBody("none")
QUERY_STYLES = st.sampled_from(["form", "spaceDelimited", "pipeDelimited", "deepObject"])


def tool(path: str, *parameters: Parameter, body: RequestBody = NO_BODY) -> Tool:
    return Tool("t", "", {"type": "object"}, Operation("POST", path, parameters, body))


def of(place: Any, style: str, explode: bool = False, **rest: Any) -> Parameter:
    return Parameter("v", rest.pop("name", "color"), place, style, explode, **rest)


def path_target(style: str, explode: bool, value: Any) -> str:
    made = build(tool("/x/{color}/y", of("path", style, explode)), {"v": value})
    return made.target.decode().removeprefix("/x/").removesuffix("/y")


def query(style: str, explode: bool, value: Any, **rest: Any) -> str:
    made = build(tool("/", of("query", style, explode, **rest)), {"v": value})
    return made.target.decode().removeprefix("/").removeprefix("?")


ARRAY = ["blue", "black", "brown"]
OBJECT = {"R": 100, "G": 200}


@pytest.mark.parametrize(
    ("style", "explode", "value", "expected"),
    [
        ("simple", False, "blue", "blue"),
        ("simple", False, ARRAY, "blue,black,brown"),
        ("simple", True, ARRAY, "blue,black,brown"),
        ("simple", False, OBJECT, "R,100,G,200"),
        ("simple", True, OBJECT, "R=100,G=200"),
        ("label", False, "blue", ".blue"),
        ("label", False, ARRAY, ".blue,black,brown"),
        ("label", True, ARRAY, ".blue.black.brown"),
        ("label", False, OBJECT, ".R,100,G,200"),
        ("label", True, OBJECT, ".R=100.G=200"),
        ("matrix", False, "blue", ";color=blue"),
        ("matrix", False, "", ";color"),
        ("matrix", False, ARRAY, ";color=blue,black,brown"),
        ("matrix", True, ARRAY, ";color=blue;color=black;color=brown"),
        ("matrix", False, OBJECT, ";color=R,100,G,200"),
        ("matrix", True, OBJECT, ";R=100;G=200"),
        ("simple", False, "a/b?c#d e%é", "a%2Fb%3Fc%23d%20e%25%C3%A9"),
        ("simple", False, ["a,b", "c"], "a%2Cb,c"),
        ("simple", False, True, "true"),
        ("simple", False, 5.0, "5"),
        ("simple", False, 2**70, str(2**70)),
    ],
)
def test_path_styles(style: str, explode: bool, value: Any, expected: str) -> None:
    assert path_target(style, explode, value) == expected


@pytest.mark.parametrize(
    ("style", "explode", "value", "expected"),
    [
        ("form", True, "blue", "color=blue"),
        ("form", True, "", "color="),
        ("form", True, ARRAY, "color=blue&color=black&color=brown"),
        ("form", False, ARRAY, "color=blue,black,brown"),
        ("form", True, OBJECT, "R=100&G=200"),
        ("form", False, OBJECT, "color=R,100,G,200"),
        ("form", True, [], ""),
        ("form", True, {}, ""),
        ("form", False, ["a,b", None, "c&d=e"], "color=a%2Cb,c%26d%3De"),
        ("spaceDelimited", False, ARRAY, "color=blue%20black%20brown"),
        ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200"),
        ("spaceDelimited", True, ARRAY, "color=blue&color=black&color=brown"),
        ("pipeDelimited", False, ARRAY, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", True, ARRAY, "color=blue&color=black&color=brown"),
        ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200"),
        ("deepObject", True, {"a": {"b": [1, 2]}}, "color%5Ba%5D%5Bb%5D=1&color%5Ba%5D%5Bb%5D=2"),
        ("form", True, None, ""),
    ],
)
def test_query_styles(style: str, explode: bool, value: Any, expected: str) -> None:
    assert query(style, explode, value) == expected


def test_allow_reserved_lets_slashes_pass_but_never_ends_the_value() -> None:
    assert query("form", True, "a/b:c&d=e#f+g%", allow_reserved=True) == (
        "color=a/b:c%26d%3De%23f%2Bg%25"
    )


def test_a_parameter_with_content_is_json() -> None:
    assert query("form", True, {"a": [1]}, content_type="application/json") == (
        "color=%7B%22a%22%3A%5B1%5D%7D"
    )


def test_header_and_cookie_parameters() -> None:
    made = build(
        tool(
            "/",
            Parameter("h", "X-Ids", "header", "simple", False),
            Parameter("o", "X-Obj", "header", "simple", True),
            Parameter("c", "theme", "cookie", "form", True),
            Parameter("d", "list", "cookie", "form", False),
        ),
        {"h": [1, 2], "o": OBJECT, "c": "da rk;x=1", "d": ["a", "b"]},
    )
    assert made.headers[1:] == (
        (b"x-ids", b"1,2"),
        (b"x-obj", b"R=100,G=200"),
        (b"cookie", b"theme=da%20rk%3Bx%3D1; list=a,b"),
    )


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", "a\x7f", "\x1b[31m"])
def test_control_characters_in_a_header_value_are_an_argument_error(value: str) -> None:
    with pytest.raises(ArgumentError, match=r"^\$\.v: "):
        build(tool("/", of("header", "simple")), {"v": value})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/{color}", "."),
        ("/{color}", ".."),
        ("/{color}", ""),
        ("/{color}", None),
        ("/.{color}", "."),
        ("/a/{color}./b", "."),
    ],
)
def test_a_segment_that_would_be_a_dot_or_nothing_is_an_argument_error(
    path: str, value: Any
) -> None:
    with pytest.raises(ArgumentError, match="segment"):
        build(tool(path, of("path", "simple")), {"v": value})


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@given(value=VALUE, explode=st.booleans())
def test_no_path_value_leaves_its_segment(style: str, value: Any, explode: bool) -> None:
    try:
        target = build(tool("/a/{color}/b", of("path", style, explode)), {"v": value}).target
    except ArgumentError:
        return
    parts = target.split(b"/")
    assert (len(parts), parts[1], parts[3]) == (4, b"a", b"b")
    assert parts[2] not in {b"", b".", b".."}
    assert unquote(parts[2].decode()) not in {"", ".", ".."}
    assert not set(parts[2]) & set(b"?#\\ \r\n")


@given(value=TEXT)
def test_a_text_in_the_path_arrives_as_it_was(value: str) -> None:
    try:
        target = build(tool("/a/{color}", of("path", "simple")), {"v": value}).target
    except ArgumentError:
        assert value in {"", ".", ".."}
        return
    assert unquote(target.decode().removeprefix("/a/")) == value


@given(first=TEXT, second=TEXT, reserved=st.booleans())
def test_a_text_in_the_query_arrives_as_it_was(first: str, second: str, reserved: bool) -> None:
    made = build(
        tool(
            "/",
            Parameter("a", "a", "query", "form", True, allow_reserved=reserved),
            Parameter("b", "b", "query", "form", True),
        ),
        {"a": first, "b": second},
    )
    pairs = parse_qsl(made.target.decode().partition("?")[2], keep_blank_values=True)
    assert pairs == [("a", first), ("b", second)]


@given(
    value=VALUE, style=st.sampled_from(["form", "spaceDelimited", "pipeDelimited", "deepObject"])
)
def test_no_query_value_ends_its_target(value: Any, style: str) -> None:
    target = build(tool("/", of("query", style, True, allow_reserved=True)), {"v": value}).target
    assert target.isascii()
    assert not set(target) & set(b'# \r\n\\"<>')
    assert target.partition(b"?")[0] == b"/"


@given(value=VALUE, explode=st.booleans())
def test_no_header_value_leaves_its_line(value: Any, explode: bool) -> None:
    try:
        made = build(tool("/", of("header", "simple", explode)), {"v": value})
    except ArgumentError:
        return
    for name, text in made.headers:
        assert name in {b"accept", b"color"}
        assert not set(text) & {0, 10, 13}


@given(value=VALUE, explode=st.booleans())
def test_no_cookie_value_leaves_its_pair(value: Any, explode: bool) -> None:
    made = build(tool("/", of("cookie", "form", explode)), {"v": value})
    for pair in dict(made.headers).get(b"cookie", b"x=").split(b"; "):
        assert not set(pair) & set(b' ;"\\\r\n\x00')


BODY_TOOL_ARGUMENTS = st.dictionaries(TEXT.filter(lambda name: name != "id"), VALUE, max_size=5)


@given(arguments=BODY_TOOL_ARGUMENTS)
def test_a_json_body_arrives_as_it_was(arguments: dict[str, Any]) -> None:
    body = RequestBody("json", "application/json", required=True)
    made = build(tool("/{id}", of("path", "simple", name="id"), body=body), {"v": 1, **arguments})
    assert made.body is not None
    expected = {name: value for name, value in arguments.items() if name != "v"}
    assert json.loads(made.body) == expected


@given(arguments=st.dictionaries(TEXT, TEXT, min_size=1, max_size=5))
def test_a_form_arrives_as_it_was(arguments: dict[str, str]) -> None:
    body = RequestBody("form", "application/x-www-form-urlencoded", required=True)
    made = build(tool("/", body=body), arguments)
    assert made.body is not None
    parsed = parse_qs(made.body.decode(), keep_blank_values=True)
    assert parsed == {name: [value] for name, value in arguments.items()}


def test_multipart_parts_have_names_types_and_files() -> None:
    body = RequestBody(
        "multipart", "multipart/form-data", encodings=(("file", "image/png"), ("page", "text/html"))
    )
    arguments = {
        "file": base64.b64encode(b"\x89PNG\r\n").decode(),
        "page": "<p>",
        "meta": {"a": 1},
        "tag": ["x", "y"],
        'q"\r\nX: 1': "z",
    }
    made = build(tool("/", body=body), arguments)
    kind = dict(made.headers)[b"content-type"]
    parsed = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + (made.body or b""))
    parts = parsed.get_payload()
    assert isinstance(parts, list)
    shown = [
        (part["Content-Disposition"], part["Content-Type"], part.get_payload(decode=True))
        for part in parts
        if not isinstance(part, str)
    ]
    assert shown == [
        ('form-data; name="file"; filename="file"', "image/png", b"\x89PNG\r\n"),
        ('form-data; name="page"', "text/html", b"<p>"),
        ('form-data; name="meta"', "application/json", b'{"a":1}'),
        ('form-data; name="tag"', None, b"x"),
        ('form-data; name="tag"', None, b"y"),
        ('form-data; name="q%22%0D%0AX: 1"', None, b"z"),
    ]


@given(values=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_no_part_holds_the_boundary(values: list[bytes]) -> None:
    names = [f"p{index}" for index in range(len(values))]
    body = RequestBody(
        "multipart",
        "multipart/form-data",
        encodings=tuple((name, "application/octet-stream") for name in names),
    )
    encoded = [base64.b64encode(value).decode() for value in values]
    made = build(tool("/", body=body), dict(zip(names, encoded, strict=True)))
    boundary = dict(made.headers)[b"content-type"].partition(b"boundary=")[2]
    assert (made.body or b"").count(boundary) == len(values) + 1


def request_with(kind: RequestBody, **arguments: Any) -> ToolRequest:
    return build(tool("/", body=kind), arguments)


def test_raw_bodies_are_text_or_base64() -> None:
    text = RequestBody("raw", "text/plain", argument="body")
    raw = RequestBody("raw", "application/octet-stream", argument="body")
    assert request_with(text, body="é").body == "é".encode()
    assert request_with(raw, body=base64.b64encode(b"\x00\xff").decode()).body == b"\x00\xff"
    with pytest.raises(ArgumentError, match=r"^\$\.body: .*base64"):
        request_with(raw, body="not base64!")


def test_an_optional_body_that_nobody_gives_is_not_sent() -> None:
    for argument in (None, "body"):
        made = request_with(RequestBody("json", "application/json", argument))
        assert made.body is None
        assert b"content-type" not in dict(made.headers)
    assert request_with(RequestBody("json", "application/json", required=True)).body == b"{}"
    assert request_with(RequestBody("json", "application/json", "body"), body=None).body == b"null"


def test_static_parts_of_a_path_are_encoded_once() -> None:
    assert build(tool("/caf%C3%A9/é x/{color}", of("path", "simple")), {"v": "1"}).target == (
        b"/caf%C3%A9/%C3%A9%20x/1"
    )
