"""Answers of megabytes that are made to cost time become results at once all the same."""

import json

import pytest

from mcp_bridge.failures import detail
from mcp_bridge.literal import MAX_VALUES, read_literal

SIZE = 4 * 1024 * 1024
LINES = {
    "empty lines": "\n",
    "spaces": " ",
    "lines of spaces": "\n" + " " * 50,
    "frames without an end": "\n at ((((:",
    "files without an end": '\n  File "',
    "threads without an end": "\nthread 'x",
    "scripts without an end": "\n#1 x.php(1",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_a_failure_of_megabytes_is_searched_for_traces(name: str) -> None:
    text = LINES[name] * (SIZE // len(LINES[name]))
    assert detail(text) == text.strip()
    assert detail(f"{text}\nTraceback (most recent call last)") == ""


@pytest.mark.parametrize(
    "line",
    [
        '  File "/srv/app.py", line 7, in pay',
        "    at pay (/srv/app.js:7:11)",
        "    at com.shop.Pay.run(Pay.java:42)",
        "\tat async Promise.all (index 0)\n    at node:internal/process:7:1",
    ],
)
def test_frames_are_known_by_their_lines(line: str) -> None:
    assert detail(f"it failed\n{line}") == ""


def test_a_literal_result_of_many_bad_blocks_names_the_first() -> None:
    body = json.dumps({"content": [{}] * (MAX_VALUES - 10)}).encode()
    assert read_literal(body, "2025-11-25") == "$.content[0].text: Field required"


def test_a_literal_result_has_no_more_than_so_many_values_beside_its_structured_content() -> None:
    most: dict[str, object] = {"content": [], "structuredContent": {"a": [0] * 2 * MAX_VALUES}}
    assert isinstance(read_literal(json.dumps(most).encode(), "2025-11-25"), dict)
    blocks = [{"type": "text", "text": ""}] * MAX_VALUES
    said = read_literal(json.dumps({"content": blocks}).encode(), "2025-11-25")
    assert said == f"it holds more than {MAX_VALUES} values beside structuredContent"
