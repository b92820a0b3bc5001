"""Tool names: legal, unique, and the same whatever the order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_bridge.names import is_legal, operation_name, unique


@pytest.mark.parametrize(
    ("operation_id", "method", "path", "expected"),
    [
        ("listPets", "GET", "/pets", "listPets"),
        ("list-pets_2", "GET", "/pets", "list-pets_2"),
        ("pets.list", "GET", "/pets", "get_pets"),
        ("mi tool", "GET", "/pets/{petId}/toys", "get_pets_petId_toys"),
        ("", "POST", "/", "post"),
        (None, "DELETE", "/a-b/{c}.json", "delete_a-b_c_json"),
        (7, "GET", "/ñandú", "get_and"),
    ],
)
def test_a_name_is_the_operation_id_or_made_from_method_and_path(
    operation_id: object, method: str, path: str, expected: str
) -> None:
    assert operation_name(operation_id, method, path) == expected


def test_a_name_that_is_cut_ends_in_a_hash_of_the_whole() -> None:
    one = operation_name(None, "GET", "/x" * 60 + "/a")
    other = operation_name(None, "GET", "/x" * 60 + "/b")
    assert len(one) == len(other) == 64
    assert one != other


@given(st.none() | st.text(), st.sampled_from(["GET", "POST"]), st.text())
def test_every_name_is_legal(operation_id: str | None, method: str, path: str) -> None:
    assert is_legal(operation_name(operation_id, method, path))


CLAIMS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a_2", "x" * 64]), st.text(max_size=5)),
    unique_by=lambda claim: claim[1],
    max_size=12,
)


@given(CLAIMS, st.randoms(use_true_random=False))
def test_names_are_unique_and_do_not_depend_on_order(
    claims: list[tuple[str, str]], random: object
) -> None:
    shuffled = claims[::-1]
    names = dict(zip(claims, unique(claims, ["b"]), strict=True))
    again = dict(zip(shuffled, unique(shuffled, ["b"]), strict=True))
    assert names == again
    assert len(set(names.values())) == len(claims)
    assert "b" not in names.values()
    assert all(map(is_legal, names.values()))
