"""What secrets may be called and hold; whatever is refused, its value is not repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.project_file.parse import parse_project
from edge.secrets import names, references
from edge.secrets.names import LARGEST, MOST, BadSecret

GOOD = ["A", "API_KEY", "STRIPE_KEY_2", "X" * 128, "ENV", "TZ", "JELOU_SIGNING_SECRET"]
BAD = {
    "": "letter first",
    "api_key": "A-Z",
    "1A": "letter first",
    "_A": "letter first",
    "A-B": "A-Z",
    "A B": "A-Z",
    "A\nB": "this name",
    "Ä": "A-Z",
    "X" * 129: "128",
    "__FN_TOKEN": "reserved",
    "PORT": "the edge itself",
    "LISTEN_SOCKET": "the edge itself",
    "PATH": "the edge itself",
    "JELOU_URL": "the edge itself",
    "LD_PRELOAD": "loaded",
    "DYLD_INSERT_LIBRARIES": "loaded",
    "PYTHONPATH": "loaded",
    "BASH_ENV": "loaded",
}


@pytest.mark.parametrize("name", GOOD)
def test_names_of_environment_variables_are_taken(name: str) -> None:
    assert names.wrong_name(name) is None


@pytest.mark.parametrize("name", BAD)
def test_names_that_no_secret_can_have_are_refused_with_the_reason(name: str) -> None:
    assert BAD[name] in str(names.wrong_name(name))


@pytest.mark.parametrize("value", ["x\0hunter2", "hunter2" * 10_000, "hunter2\ud800"])
def test_values_that_no_environment_can_hold_are_refused_without_repeating_them(value: str) -> None:
    with pytest.raises(BadSecret, match=r"^The value of KEY ") as refused:
        names.check({"KEY": value})
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=300).filter(lambda text: "\0" not in text))
def test_every_other_text_is_a_value(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    names.check({"KEY": value, "OTHER": "x" * LARGEST})


def test_one_function_has_a_bounded_number_and_size() -> None:
    names.check_all({f"K{n}": 10 for n in range(MOST)})
    with pytest.raises(BadSecret, match="at most 100 secrets"):
        names.check_all({f"K{n}": 10 for n in range(MOST + 1)})
    with pytest.raises(BadSecret, match="together"):
        names.check_all({f"K{n}": LARGEST for n in range(17)})


def project(**headers: str) -> str:
    fields = ", ".join(f'"{name}": "{value}"' for name, value in headers.items())
    return (
        f'{{"function": "a", "upstream": {{"url": "http://127.0.0.1:1", "headers": {{{fields}}}}}}}'
    )


def test_headers_take_secrets_by_name() -> None:
    text = project(authorization="secret:TOKEN", other="plain", again="secret:TOKEN")
    parsed = parse_project(text).project
    assert parsed is not None
    assert references.names(parsed) == ("TOKEN",)
    assert references.lacking(parsed, {}) == ("TOKEN",)
    filled = references.filled(parsed, {"TOKEN": "Bearer x"})
    expected = {"authorization": "Bearer x", "other": "plain", "again": "Bearer x"}
    assert dict(filled.headers) == expected
    assert "Bearer x" not in filled.text
    assert "Bearer x" not in repr(filled)


@pytest.mark.parametrize("value", ["secret:", "secret:token", "secret:A B", "secret:PATH"])
def test_a_reference_that_names_no_secret_is_a_problem_of_the_file(value: str) -> None:
    parsed = parse_project(project(authorization=value))
    assert parsed.project is None
    (problem,) = parsed.problems
    assert "secret:NAME" in problem.message
    assert value not in problem.message.replace('"secret:NAME"', "")


@pytest.mark.parametrize("value", ["x\r\nX-Admin: 1", "ü", " x", "x\x00"])
def test_a_value_that_fits_no_header_is_never_sent(value: str) -> None:
    parsed = parse_project(project(authorization="secret:TOKEN")).project
    assert parsed is not None
    assert references.filled(parsed, {"TOKEN": value}).headers == ()
    (said,) = references.unfit(parsed, {"TOKEN": value})
    assert said.startswith("TOKEN: ")
    assert value not in said
