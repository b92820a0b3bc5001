"""The response builder: immutable, and strict about what it writes on the wire."""

import pytest

from edge.sdk import response


def test_every_step_is_a_new_builder() -> None:
    created = response.status(201)
    located = created.header("Location", "/1")

    assert created.json(1).fields == (("Content-Type", "application/json"),)
    assert created.json(1).status == 201
    assert located.json(1).fields == (("Content-Type", "application/json"), ("Location", "/1"))
    assert response.json(1).status == 200


@pytest.mark.parametrize("init", [{"A": "1", "B": "2"}, [("A", "1"), ("B", "2")]])
def test_several_fields_come_from_a_mapping_or_pairs(init: object) -> None:
    assert response.headers(init).empty().fields == (("A", "1"), ("B", "2"))  # type: ignore[arg-type]


def test_a_field_may_repeat() -> None:
    both = response.header("Set-Cookie", "a=1").header("Set-Cookie", "b=2").empty()

    assert both.fields == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("A", "1\r\nB: 2"), ("A", "1\n"), ("A B", "1"), ("", "1"), ("A:", "1"), ("A", "\u20ac")],
)
def test_a_field_that_would_break_out_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="is not a header field"):
        response.header(name, value)


@pytest.mark.parametrize("code", [0, 99, 100, 199, 600, -1])
def test_a_status_of_no_answer_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="write 200 to 599"):
        response.status(code)
