"""`docs/project-file.md` names every key of the parser and no other, and its examples are good."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from edge.functions import Project
from edge.project_file.parse import Parsed, parse_project
from tests.docs.pages import blocks, only_code, page, rows

PAGE = page("project-file.md")
BASE = "/srv/my-function"

FILE: dict[str, Any] = {
    "function": "my-function",
    "upstream": {
        "url": "https://10.0.0.5",
        "headers": {},
        "tls": {"certFile": "a.pem", "keyFile": "a.key"},
    },
    "config": {
        "cors": {"origin": ["https://app.example"]},
        "mcp": {"upstream": "/mcp"},
        "limits": {},
        "cron": [{"expression": "0 9 * * *"}],
    },
    "tools": {
        "ping": {
            "method": "GET",
            "path": "/ping/{id}",
            "annotations": {},
            "icons": [{"src": "https://app.example/a.png"}],
            "config": {},
        }
    },
}
"""A file in which every object that has keys of its own is there."""

RUN: dict[str, Any] = {"function": "my-function", "command": ["node", "server.js"], "scale": {}}
"""The same of a function that the edge runs."""

OF_RUN = ("command", "entrypoint", "build", "scale")


def documented() -> dict[str, tuple[str, str]]:
    """Key to default and example, of every row of the tables of keys."""
    found = {}
    for cells in rows(PAGE):
        key = only_code(cells[0])
        if len(cells) == 5 and key is not None:
            assert key not in found, f"{key} stands in two rows"
            found[key] = (cells[2], cells[4])
    return found


DOCUMENTED = documented()


def steps(key: str) -> list[str | int]:
    """`config.cron[].name` as a way into `FILE`."""
    way: list[str | int] = []
    for step in key.replace("*", "ping").split("."):
        way += [step.removesuffix("[]"), *([0] if step.endswith("[]") else [])]
    return way


def changed(key: str, value: Any) -> dict[str, Any]:
    """`FILE`, or `RUN`, with another value of one key."""
    copy = json.loads(json.dumps(RUN if key.partition(".")[0] in OF_RUN else FILE))
    if key == "entrypoint":
        del copy["command"]
    if key == "tools.*.operationId":
        copy["tools"]["ping"] = {}
    *way, last = steps(key)
    place = copy
    for step in way:
        place = place[step]
    place[last] = value
    return copy


def parsed(value: object) -> Parsed:
    return parse_project(json.dumps(value), base=BASE)


def project(value: object) -> Project:
    read = parsed(value)
    assert read.project is not None, [str(problem) for problem in read.problems]
    return replace(read.project, text="")


def known_keys(place: str) -> set[str]:
    """The keys that the parser knows in an object, as it tells those who write another."""
    way = f"{place}." if place else ""
    (problem,) = parsed(changed(f"{way}zzzzzz", 1)).problems
    _, _, names = problem.message.partition("use one of: ")
    return {f"{way}{name}" for name in names.split(", ")}


PLACES = [
    "",
    *("upstream", "upstream.tls", "scale"),
    *("config", "config.mcp", "config.cors", "config.limits", "config.cron[]"),
    *("tools.*", "tools.*.annotations", "tools.*.icons[]", "tools.*.config"),
]


@pytest.mark.parametrize("place", PLACES)
def test_an_objects_keys_are_documented_and_no_others(place: str) -> None:
    prefix = f"{place}." if place else ""
    written = {
        key for key in DOCUMENTED if key.startswith(prefix) and "." not in key.removeprefix(prefix)
    }
    assert written == known_keys(place)


@pytest.mark.parametrize("key", DOCUMENTED)
def test_the_example_of_a_key_is_accepted(key: str) -> None:
    example = only_code(DOCUMENTED[key][1])
    assert example is not None, "every key has an example"
    ((name, value),) = json.loads(f"{{{example}}}").items()
    assert name == steps(key)[-1]
    project(changed(key, value))


DEFAULTS = {key: only_code(default) for key, (default, _) in DOCUMENTED.items()}


@pytest.mark.parametrize(("key", "default"), [pair for pair in DEFAULTS.items() if pair[1]])
def test_writing_the_default_down_changes_nothing(key: str, default: str) -> None:
    value = json.loads(default)
    bare = changed(key, value)
    *way, last = steps(key)
    place = bare
    for step in way:
        place = place[step]
    del place[last]
    if key == "config.cors.origin":
        bare["config"]["cors"].pop("credentials", None)
    assert project(changed(key, value)) == project(bare)


EXAMPLES = [block.text for block in blocks(PAGE) if block.language == "json"]


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_file_shown_can_be_deployed(text: str) -> None:
    read = parse_project(text, base=BASE)
    assert (read.problems, read.warnings) == ((), ())


WRONG = """{
  "function": "My Function",
  "upstream": "127.0.0.1:9000",
  "timeout": 30000,
  "config": {
    "metods": ["GET"],
    "timeout": 500000,
    "cors": {"origin": "*", "credentials": true},
    "acceptTokensIn": ["authorization"]
  },
  "tools": {
    "find order": {"operationId": "findOrder"},
    "ping": {"path": "/ping"}
  }
}"""


def test_the_mistakes_shown_are_told_as_shown() -> None:
    shown = re.findall(r"^  (line .+)$", PAGE, re.MULTILINE)
    assert [str(problem) for problem in parse_project(WRONG).problems] == shown
