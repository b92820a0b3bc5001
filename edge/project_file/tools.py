"""`tools` in a project file: overrides of operations, and tools of its own. Pure."""

import re
from typing import Any

from edge.functions import ToolSettings
from edge.project_file.config import Rules, read_methods, read_stream, read_timeout
from edge.project_file.cron import read_cron
from edge.project_file.reader import Section, quote
from edge.project_file.texts import wrong_method, wrong_template, wrong_tool_name

TOOL_KEYS = (
    "operationId",
    "method",
    "path",
    "inputSchema",
    "description",
    "title",
    "annotations",
    "icons",
    "config",
)
TOOL_CONFIG_KEYS = ("public", "mcp", "methods", "timeout", "cron", "stream")
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
ICON_KEYS = ("src", "mimeType", "sizes", "theme")
MAX_DESCRIPTION = 1024
MAX_ICON = 64 * 1024

_ICON_SOURCE = re.compile(r"(?:https?://[^\s/]\S*|data:image/\S+)")
_ICON_SIZE = re.compile(r"any|[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")
_MISPLACED = dict.fromkeys(TOOL_CONFIG_KEYS, "config")


def read_tools(root: Section, rules: Rules) -> tuple[ToolSettings, ...]:
    """The object `tools` of the file."""
    value = root.get("tools")
    tools = root.section("tools", value if isinstance(value, dict) else ())
    found: list[ToolSettings] = []
    for name, tool in tools.value.items():
        wrong = wrong_tool_name(name)
        if wrong:
            tools.problem(name, wrong)
        if isinstance(tool, dict):
            found.append(_read_tool(name, tools.section(name, TOOL_KEYS, _MISPLACED), rules))
        else:
            tools.expected(name, "an object")
    return tuple(found)


def _read_tool(name: str, tool: Section, rules: Rules) -> ToolSettings:
    config = tool.section("config", TOOL_CONFIG_KEYS)
    operation, method, path = _read_address(tool)
    return ToolSettings(
        name,
        operation_id=operation,
        method=method,
        path=path,
        input_schema=_read_schema(tool),
        description=tool.optional_string("description", MAX_DESCRIPTION),
        title=tool.optional_string("title", MAX_DESCRIPTION),
        annotations=_read_annotations(tool),
        icons=_read_icons(tool),
        public=config.optional_boolean("public"),
        mcp=config.boolean("mcp", True),
        methods=read_methods(config),
        timeout=read_timeout(config, rules),
        cron=read_cron(config, rules.known_timezone),
        stream=read_stream(config),
    )


def _read_address(tool: Section) -> tuple[str | None, str | None, str | None]:
    """The operation, or method and path, that the tool stands for; with neither, its key says."""
    operation = tool.optional_string("operationId")
    method = tool.optional_string("method")
    path = tool.optional_string("path")
    if operation is not None and (method or path or "inputSchema" in tool):
        tool.problem(None, 'write "operationId", or "method", "path" and "inputSchema", not both')
    elif (method is None) != (path is None):
        tool.problem(
            None,
            'write "method" and "path" together; with neither, the key is an operation of the '
            'document or its route: "sendEmail" is /send-email',
        )
    for key, text, check in (("method", method, wrong_method), ("path", path, wrong_template)):
        wrong = check(text) if text else None
        if wrong:
            tool.problem(key, wrong)
    return operation, method, path


def _read_schema(tool: Section) -> dict[str, Any] | None:
    value = tool.get("inputSchema")
    if "inputSchema" not in tool:
        return None
    if not isinstance(value, dict) or value.get("type", "object") != "object":
        tool.problem("inputSchema", 'must be a JSON Schema with "type": "object"')
        return None
    return value


def _read_annotations(tool: Section) -> dict[str, Any] | None:
    if "annotations" not in tool:
        return None
    section = tool.section("annotations", (*HINTS, "title"))
    for hint in HINTS:
        section.boolean(hint, False)
    section.optional_string("title", MAX_DESCRIPTION)
    return dict(section.value)


def _read_icons(tool: Section) -> tuple[dict[str, Any], ...] | None:
    if "icons" not in tool:
        return None
    items = tool.items("icons", "a list of icons")
    for index, item in enumerate(items):
        path = (*tool.path, "icons", index)
        if isinstance(item, dict):
            _check_icon(Section(item, path, tool.findings, ICON_KEYS))
        else:
            tool.findings.problem(path, f"must be an object, not {quote(item)}")
    return tuple(item for item in items if isinstance(item, dict))


def _check_icon(icon: Section) -> None:
    source = icon.string("src", longest=MAX_ICON)
    if not _ICON_SOURCE.fullmatch(source):
        icon.expected("src", 'the address of an image: "https://…" or "data:image/…"')
    icon.optional_string("mimeType", 255)
    icon.strings("sizes", "a list of sizes", _wrong_size)
    if icon.get("theme") not in (None, "light", "dark"):
        icon.expected("theme", '"light" or "dark"')


def _wrong_size(size: str) -> str | None:
    return None if _ICON_SIZE.fullmatch(size) else f'{quote(size)}: write "48x48" or "any"'
