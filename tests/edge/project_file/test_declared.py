"""What code declares, under what the project file says."""

import json
from typing import Any

import pytest

from edge.functions import Project
from edge.project_file.declared import declared_in, merged
from edge.project_file.parse import (
    as_written,
    load_project,
    parse_project,
    render_project,
    with_declared,
)

FILE: dict[str, Any] = {"function": "fn", "entrypoint": "index.py"}


def document(said: object) -> bytes:
    return json.dumps(
        {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "x-jelou": said}
    ).encode()


def project(value: object) -> Project:
    found = parse_project(json.dumps(value))
    assert found.project is not None, found.problems
    return found.project


@pytest.mark.parametrize(
    ("file", "declared", "value"),
    [
        ({}, {}, {}),
        ({}, {"description": "code"}, {"description": "code"}),
        ({"description": "file"}, {"description": "code"}, {"description": "file"}),
        (
            {"config": {"timeout": 1}},
            {"config": {"timeout": 2, "public": True}},
            {"config": {"timeout": 1, "public": True}},
        ),
        (
            {"config": {"cors": {"origin": "*"}}},
            {"config": {"cors": {"credentials": True}}},
            {"config": {"cors": {"origin": "*"}}},
        ),
        (
            {"tools": {"a": {"config": {"timeout": 1}}}},
            {"tools": {"a": {"operationId": "a", "config": {"public": True}}, "b": {}}},
            {
                "tools": {
                    "a": {"operationId": "a", "config": {"timeout": 1, "public": True}},
                    "b": {},
                }
            },
        ),
        (
            {"tools": {"a": {"method": "GET", "path": "/a"}}},
            {"tools": {"a": {"operationId": "a", "config": {"public": True}}}},
            {"tools": {"a": {"method": "GET", "path": "/a", "config": {"public": True}}}},
        ),
    ],
)
def test_the_file_wins_key_by_key(
    file: dict[str, Any], declared: dict[str, Any], value: dict[str, Any]
) -> None:
    assert merged(file, declared) == value


@pytest.mark.parametrize(
    "said",
    [None, 1, [], "x", {"project": 1}, {"project": None}, {"mode": "app"}, {"project": {"x": 1}}],
)
def test_what_is_no_fragment_declares_nothing(said: object) -> None:
    assert declared_in(document(said)) == {}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"openapi": "2.0"}'])
def test_what_is_no_document_declares_nothing(raw: bytes) -> None:
    assert declared_in(raw) == {}


def test_only_what_code_may_say_is_taken() -> None:
    said = {
        "function": "other",
        "upstream": "http://evil",
        "hosts": ["a.example"],
        "command": ["x"],
    }
    fragment = {**said, "description": "d", "config": {"public": True}}
    assert declared_in(document({"project": fragment})) == {
        "description": "d",
        "config": {"public": True},
    }


def test_a_project_keeps_its_file_and_what_its_code_declares_apart() -> None:
    declared = {"config": {"public": True, "timeout": 9}, "description": "code"}
    written = project({**FILE, "config": {"timeout": 5}})
    whole = with_declared(written, declared, {}).project
    assert whole is not None
    assert (whole.config.public, whole.config.timeout, whole.description) == (True, 5, "code")
    assert load_project(whole.text) == whole
    assert json.loads(render_project(whole)) == {**FILE, "config": {"timeout": 5}}
    assert as_written(whole) == written.text


def test_what_is_wrong_with_it_is_told_by_its_key() -> None:
    found = with_declared(project(FILE), {"config": {"timeout": "long", "metods": []}}, {})
    assert found.project is None
    assert sorted(problem.key for problem in found.problems) == ["config.metods", "config.timeout"]


@pytest.mark.parametrize(
    "declared", [{"config": 1}, {"tools": []}, {"description": {}}, {"tools": {"a": 1}}]
)
def test_nonsense_is_a_problem_and_no_crash(declared: dict[str, Any]) -> None:
    tools = {"a": {"method": "GET", "path": "/a"}}
    for file in (FILE, {**FILE, "config": {"timeout": 1}, "description": "x", "tools": tools}):
        found = with_declared(project(file), declared, {})
        assert found.project is None or found.project.slug == "fn"


def test_nobody_writes_the_fragment_into_a_file() -> None:
    found = parse_project(json.dumps({**FILE, "x-jelou": {"config": {"public": True}}}))
    assert [problem.key for problem in found.problems] == ["x-jelou"]
