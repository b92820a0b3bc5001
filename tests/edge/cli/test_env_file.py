"""Files of KEY=VALUE lines are read as people write them."""

import pytest

from edge.cli.env_file import BadLine, read_env

CASES = {
    "": {},
    "# only a comment\n\n": {},
    "A=1\nB=2": {"A": "1", "B": "2"},
    "export A=1\r\nB = two words \r\n": {"A": "1", "B": "two words"},
    "A=x#y z # comment\nB=# nothing\nC=": {"A": "x#y z", "B": "", "C": ""},
    "A='a # $b \\n' # c": {"A": "a # $b \\n"},
    'A="a\\nb \\"c\\" \\\\ \\$d $e"': {"A": 'a\nb "c" \\ $d $e'},
    'KEY="-----BEGIN\nabc=\n-----END"\nB=1': {"KEY": "-----BEGIN\nabc=\n-----END", "B": "1"},
    "A=1\nA=2": {"A": "2"},
    "\ufeffA=x=y=": {"A": "x=y="},
    "A=it's": {"A": "it's"},
}


@pytest.mark.parametrize("text", CASES)
def test_lines_are_values(text: str) -> None:
    assert read_env(text) == CASES[text]


@pytest.mark.parametrize(
    ("text", "line"),
    [("A=1\nhunter2", 2), ('A=1\n\nB="hunter2', 3), ("A='1' hunter2", 1), ("=hunter2", 1)],
)
def test_a_bad_line_is_named_by_its_number_alone(text: str, line: int) -> None:
    with pytest.raises(BadLine, match=f"line {line}: ") as bad:
        read_env(text)
    assert "hunter2" not in str(bad.value)
