"""Lines of a log as the platform prints them."""

from datetime import UTC

import pytest

from edge.cli.log_lines import shown

CASES = [
    ({"args": ["Buscando cliente", {"telefono": "593"}]}, 'Buscando cliente { telefono: "593" }'),
    ({"args": ["a", 1, None, True, [1, "x"], {}, []]}, 'a 1 null true [ 1, "x" ] {} []'),
    ({"args": [{"two words": {"deep": [{"ñ": 1}]}}]}, '{ "two words": { deep: [ { "ñ": 1 } ] } }'),
    ({"args": []}, ""),
    ({"message": "plain { text }"}, "plain { text }"),
    ({"message": "long", "cut": 7}, "long… (7 bytes more)"),
]


@pytest.mark.parametrize(("said", "text"), CASES)
def test_a_line_has_time_level_and_what_was_said(said: dict[str, object], text: str) -> None:
    line = {"timestamp": "2026-04-07T15:30:01.234Z", "level": "info", **said}
    assert shown(line, UTC) == f"  15:30:01  INFO  {text}".rstrip()


def test_what_is_nested_without_end_is_cut() -> None:
    value: object = "x"
    for _ in range(200):
        value = {"a": value}
    assert len(shown({"timestamp": "2026-04-07T15:30:01.234Z", "args": [value]}, UTC)) < 200
