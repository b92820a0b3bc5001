"""`docs/console.md` says what the console does, and the console shows commands that there are."""

import re
from html import unescape

import pytest

from edge.console import forms, functions, sessions, tools, trying
from edge.functions import CONSOLE, RESERVED_SLUGS
from edge.observe.access_log import RECENT
from edge.observe.series import EVERY, KEPT, MOST_FUNCTIONS
from tests.docs.command_lines import check_mention, shown_lines
from tests.docs.pages import ROOT, page

PAGE = " ".join(page("console.md").split())
SECURITY = " ".join(page("security.md").split())
TEMPLATES = sorted((ROOT / "edge" / "console" / "templates").iterdir())
COMMANDS = [
    (path.name, words)
    for path in TEMPLATES
    for shown in re.findall(r'(?:<code>|")(jelou [^"<]+)', unescape(path.read_text()))
    for line in shown.split(" && ")
    for words in shown_lines("$ " + re.sub(r"\{\{.*?\}\}|(?<= ) *$", "my-function", line))
]


@pytest.mark.parametrize(
    "said",
    [
        f"the last {functions.RUNS} runs",
        f"the last {functions.LINES} lines",
        f"{RECENT} of each worker",
        f"{trying.LARGEST // 2**20} MiB of an answer is read, within {trying.PATIENCE:.0f} seconds",
        f"expires after {tools.FRESH / 60:.0f} minutes",
        f"every {EVERY:.0f} seconds and keeps an hour",
        f"The {MOST_FUNCTIONS} busiest functions",
        f"It lives {sessions.LIFETIME / 3600:.0f} hours at most",
    ],
)
def test_the_numbers_are_those_of_the_program(said: str) -> None:
    assert said in PAGE


def test_an_hour_is_kept() -> None:
    assert KEPT * EVERY == 3600


def test_the_security_page_has_the_limits_of_forms() -> None:
    most = f"forms of {forms.LARGEST // 1024 // 1024} MiB and {forms.MOST_FIELDS} fields at most"
    assert most in SECURITY


def test_its_path_is_no_functions() -> None:
    assert CONSOLE.split("/")[1] in RESERVED_SLUGS
    assert f"The console is at `{CONSOLE}/`" in PAGE


@pytest.mark.parametrize(("template", "words"), COMMANDS)
def test_a_command_that_is_shown_exists(template: str, words: list[str]) -> None:
    check_mention(words)


def test_commands_are_shown() -> None:
    assert len(COMMANDS) >= 6
