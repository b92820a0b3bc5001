"""Documents made to cost time or memory: each becomes a catalog, or a warning, within bounds.

Every attack runs in a process of its own with a limit on CPU seconds and on memory, so that a
defence that fails kills that process and not the suite.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mcp_bridge.catalog import MAX_CATALOG_SIZE, build
from mcp_bridge.document import MAX_DOCUMENT
from tests.mcp_bridge.serving import document
from tests.support.processes import ROOT

CPU_SECONDS = 30
MEMORY = 2 * 1024 * 1024 * 1024

BUILD = """
import sys
from mcp_bridge.catalog import build
catalog = build(sys.stdin.buffer.read())
print(len(catalog.tools))
print(sum(entry.size for entry in catalog.entries.values()))
for entry in list(catalog.entries.values())[:100]:
    entry.arguments.violations({"body": {}, "a": "a" * 5000})
for warning in catalog.warnings[:3]:
    print(f"{warning.tool[:100]}: {warning.message[:300]}".encode("ascii", "replace").decode())
"""


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def built(data: bytes) -> tuple[int, int, str]:
    """The number of tools, their bytes and the first warnings."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        input=data,
        capture_output=True,
        cwd=ROOT,
        preexec_fn=_bounded,
        timeout=4 * CPU_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:].decode()
    tools, size, *warnings = done.stdout.decode().splitlines()
    return int(tools), int(size), "\n".join(warnings)


def posted(schema: Any) -> dict[str, Any]:
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def of_schemas(schemas: dict[str, Any]) -> bytes:
    return document(
        {"/a": posted(component("S0")), "/b": {"get": {}}}, components={"schemas": schemas}
    )


def chained(count: int, link: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """`S0` that leads to `S1`, and so on."""
    last: dict[str, Any] = {f"S{count}": {"type": "object"}}
    return last | {
        f"S{n}": {"type": "object", **link(component(f"S{n + 1}"))} for n in range(count)
    }


def shared_by_all(item: dict[str, Any], count: int = 9_000) -> bytes:
    """One large path item, behind very many paths."""
    paths = {f"/p{n}": {"$ref": "#/components/pathItems/I"} for n in range(count)}
    return document(paths, components={"pathItems": {"I": item}})


def deep(levels: int) -> bytes:
    return b'{"openapi":"3.1.0","paths":{"/a":' + b'{"x":' * levels + b"1" + b"}" * (levels + 2)


def query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query"}


REFERENCES = {
    "that double thirty times": (chained(30, lambda to: {"allOf": [to, to]}), "would not end"),
    "that double a thousand times": (
        chained(1000, lambda to: {"anyOf": [to, to]}),
        "would not end",
    ),
    "in a long chain": (chained(2000, lambda to: {"allOf": [to]}), ""),
    "in a long chain of properties": (chained(2000, lambda to: {"properties": {"x": to}}), ""),
    "that turn in a circle": ({"S0": {"type": "object", "allOf": [component("S0")]}}, ""),
    "that turn in a circle by themselves": ({"S0": component("S0")}, "left out"),
    "of all to all": (
        {
            f"S{n}": {
                "type": "object",
                "properties": {f"p{m}": component(f"S{m}") for m in range(150)},
            }
            for n in range(150)
        },
        "left out",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFERENCES)
def test_references_cost_seconds_at_most(kind: str) -> None:
    schemas, said = REFERENCES[kind]
    tools, _, warnings = built(of_schemas(schemas))
    assert tools == (1 if said else 2)
    assert said in warnings


SCHEMAS = {
    "with fifty thousand properties": (
        {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(50_000)}},
        "over 262144 bytes",
    ),
    "whose fifty thousand properties are all read-only": (
        {
            "type": "object",
            "properties": {f"p{n}": {"readOnly": True} for n in range(50_000)},
            "required": [f"p{n}" for n in range(50_000)],
        },
        "over 262144 bytes",
    ),
    "with a description of ten megabytes": (
        {"type": "object", "description": "x" * 10_000_000},
        "over 262144 bytes",
    ),
    "with a pattern of exponential cost": (
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a|a)*(?=b)$"}}},
        "",
    ),
    "with a pattern of nested repeats": (
        {"type": "object", "properties": {"a": {"pattern": "(((a{1,999}){1,999}){1,999}){1,9}"}}},
        "left out",
    ),
    "with thousands of choices": (
        {"type": "object", "oneOf": [{"required": [f"r{n}"]} for n in range(5_000)]},
        "",
    ),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_leaves_out_its_tool_at_most(kind: str) -> None:
    schema, said = SCHEMAS[kind]
    tools, _, warnings = built(document({"/a": posted(schema), "/b": {"get": {}}}))
    assert tools == (1 if said else 2)
    assert said in warnings


@pytest.mark.slow
def test_a_hundred_thousand_operations_are_cut_with_a_warning() -> None:
    tools, _, warnings = built(document({f"/p{n}": {"get": {}} for n in range(100_000)}))
    assert tools == 10_000
    assert "only the first 10000" in warnings


BIG = {"type": "object", "title": "x" * 200_000}
SHARED = {
    "parameters": ({"parameters": [query(f"q{n}") for n in range(900)], "get": {}}, "all after it"),
    "far too many parameters": (
        {"parameters": [query(f"q{n}") for n in range(50_000)], "get": {}},
        "at most 1000",
    ),
    "a large body": (posted(BIG), "all after it"),
    "a body that is too large": (
        posted({"type": "object", "title": "x" * 5_000_000}),
        "over 262144 bytes",
    ),
    "a large answer": (
        {"get": {"responses": {"200": {"content": {"application/json": {"schema": BIG}}}}}},
        "all after it",
    ),
    "very many answers": ({"get": {"responses": {f"4{n}": {} for n in range(200_000)}}}, ""),
    "very many media types": (
        {"post": {"requestBody": {"content": {f"a/b{n}": {} for n in range(200_000)}}}},
        "media types",
    ),
    "a description of megabytes": ({"get": {"description": " x" * 4_000_000}}, ""),
    "a server of megabytes": ({"servers": [{"url": "/{a}" * 2_000_000}], "get": {}}, "2048"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHARED)
def test_what_thousands_of_paths_share_is_not_paid_thousandfold(kind: str) -> None:
    item, said = SHARED[kind]
    tools, size, warnings = built(shared_by_all(item))
    assert size <= MAX_CATALOG_SIZE + 512 * 1024
    assert said in warnings
    assert said or tools == 9_000


def test_a_deep_value_against_choices_that_recur_is_refused_in_no_time() -> None:
    def branch(name: str) -> dict[str, Any]:
        properties = {"op": {"const": name}, "left": component("E")}
        return {"type": "object", "required": ["op"], "properties": properties}

    choice = {"oneOf": [component("A"), component("M")]}
    schemas = {"S0": {"type": "object", "properties": {"e": component("E")}}, "E": choice}
    components = {"schemas": {**schemas, "A": branch("add"), "M": branch("mul")}}
    paths = {"/a": posted(component("S0"))}
    entry = build(document(paths, components=components)).entries["post_a"]
    good: dict[str, Any] = {"op": "add"}
    bad: dict[str, Any] = {"op": "neither"}
    for _ in range(100):
        good, bad = {"op": "add", "left": good}, {"op": "neither", "left": bad}
    assert entry.arguments.violations({"e": good}) == []
    assert "nested" in entry.arguments.violations({"e": bad})[0]
    assert "$.e" in entry.arguments.violations({"e": {"op": "neither"}})[0]


@pytest.mark.parametrize("levels", [200, 10_000, 1_000_000])
def test_depth_is_refused_as_such(levels: int) -> None:
    catalog = build(deep(levels))
    assert catalog.problem is not None
    assert "deeper than 128 levels" in catalog.problem.message


def test_a_tool_of_the_limits_own_size_is_still_made() -> None:
    paths = {"/a": posted({"type": "object", "title": "x" * 200_000})}
    assert len(build(document(paths)).tools) == 1
    assert len(json.dumps(paths)) < MAX_DOCUMENT
