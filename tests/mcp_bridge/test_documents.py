"""Nasty OpenAPI documents, each beside the tools that it must become."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from mcp_types.methods import validate_server_result

from mcp_bridge.catalog import Catalog, build
from mcp_bridge.listing import shown
from mcp_bridge.revisions import HANDSHAKE, STATELESS

DOCUMENTS = Path(__file__).parent / "documents"
NAMES = sorted(path.stem for path in DOCUMENTS.glob("*.json"))


def described(catalog: Catalog) -> dict[str, Any]:
    """What the golden files hold: tools as clients see them, their requests, and warnings."""
    tools = [
        {**shown(tool), "operation": _without_defaults(asdict(tool.operation))}
        for tool in catalog.tools
    ]
    warnings = [f"{warning.tool}: {warning.message}" for warning in catalog.warnings]
    return {"tools": tools, "warnings": warnings}


def _without_defaults(operation: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        " ".join(
            [
                f"{item['argument']} -> {item['place']} {item['name']!r} {item['style']}",
                *(word for word in ("explode", "required", "allow_reserved") if item[word]),
                *([item["content_type"]] if item["content_type"] else []),
            ]
        )
        for item in operation["parameters"]
    ]
    return {**operation, "parameters": parameters}


@pytest.mark.parametrize("name", NAMES)
def test_a_document_becomes_exactly_these_tools(name: str) -> None:
    catalog = build((DOCUMENTS / f"{name}.json").read_bytes())
    expected = json.loads((DOCUMENTS / f"{name}.tools").read_text())
    assert json.loads(json.dumps(described(catalog))) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("revision", [*HANDSHAKE, *STATELESS])
def test_every_revision_can_list_the_tools(name: str, revision: str) -> None:
    tools = [shown(tool) for tool in build((DOCUMENTS / f"{name}.json").read_bytes()).tools]
    listed = [{k: v for k, v in tool.items() if k != "outputSchema"} for tool in tools]
    hints = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
    validate_server_result("tools/list", revision, {"tools": listed, **hints})


def test_the_order_of_a_document_does_not_change_names() -> None:
    document = json.loads((DOCUMENTS / "openapi-3.0.json").read_bytes())
    document["paths"] = dict(reversed(document["paths"].items()))
    turned = build(json.dumps(document).encode())
    straight = build((DOCUMENTS / "openapi-3.0.json").read_bytes())
    assert [tool.name for tool in turned.tools] == [tool.name for tool in straight.tools]
