"""What of a schedule goes into header fields must be able to: said at deploy, not at the tick."""

import json
from typing import Any

import pytest

from edge.cron.schedule import schedules
from edge.functions import Deployment, Function
from edge.project_file.parse import Parsed, parse_project


def parsed(**schedule: Any) -> Parsed:
    """A project file with one schedule."""
    cron = [{"expression": "0 9 * * *", **schedule}]
    written = {"function": "shop", "upstream": "http://127.0.0.1:9", "config": {"cron": cron}}
    return parse_project(json.dumps(written))


@pytest.mark.parametrize("key", ["expression", "name", "botId"])
@pytest.mark.parametrize("text", ["0 9 * *\n*", "a\r\nX-Jelou-Trigger: http", "a\0", "a\x7f"])
def test_what_would_break_a_header_is_refused(key: str, text: str) -> None:
    problems = parsed(**{key: text}).problems
    assert [problem.key for problem in problems] == [f"config.cron[0].{key}"]


@pytest.mark.parametrize("key", ["expression", "name", "botId"])
def test_half_a_character_is_refused(key: str) -> None:
    assert parsed(**{key: "\ud800"}).project is None


@pytest.mark.parametrize("key", ["name", "botId"])
@pytest.mark.parametrize("text", [" daily", "daily ", "\tdaily", "\u00a0daily"])
def test_spaces_that_would_be_lost_on_the_way_are_refused(key: str, text: str) -> None:
    problems = parsed(**{key: text}).problems
    assert [problem.key for problem in problems] == [f"config.cron[0].{key}"]


@pytest.mark.parametrize("text", ["recordatorio-mañana", "👩‍👩‍👧 at nine", "日報", 'a, b; c="d"'])
def test_any_other_text_is_a_name(text: str) -> None:
    project = parsed(name=text, botId=text).project
    assert project is not None
    (cron,) = project.config.cron
    assert (cron.name, cron.bot_id) == (text, text)


def test_an_expression_is_kept_as_written_but_for_spaces_around_it() -> None:
    project = parsed(expression=" 0  9 * * fri-SUN ").project
    assert project is not None
    assert project.config.cron[0].expression == "0  9 * * fri-SUN"


def test_a_schedule_stays_the_same_while_only_its_manner_changes() -> None:
    def key(**schedule: Any) -> str:
        project = parsed(**schedule).project
        assert project is not None
        live = Deployment("dep_1", project, 0.0, "deploy", None, (), "digest")
        return schedules(Function("shop", 0.0, live))[0].key

    assert key() == key(grace="1h") == key(overlap="allow")
    others = [
        key(name="a"),
        key(botId="a"),
        key(timezone="Europe/London"),
        key(expression="1 9 * * *"),
    ]
    assert len({key(), *others}) == 5
