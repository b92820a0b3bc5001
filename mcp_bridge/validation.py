"""Values against JSON Schemas: the one owner of `jsonschema_rs`. Pure; nothing is ever fetched."""

import re
from typing import Any

from jsonschema_rs import FancyRegexOptions, ValidationError, validator_for

from mcp_bridge.jsontext import dump, has_more_than, is_deeper_than
from mcp_bridge.tools import JSONObject

_PATTERNS = FancyRegexOptions(
    backtrack_limit=100_000, size_limit=1024 * 1024, dfa_size_limit=1024 * 1024
)
_MAX_VIOLATIONS = 10
_MAX_MESSAGE = 300
_MAX_EXPLAINED_DEPTH = 6
"""Nesting of a value whose violations are sought out where a schema's choices may recur.

Each choice is explained with the violations of all its branches: nested, they multiply.
"""

_MAX_EXPLAINED = 1_000
"""Values inside a value whose violations are all sought: each takes time, the first ones too."""

_MAX_SEARCHED = 20_000
"""Values inside a value of which the first violation is sought, if the schema has no choices."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class SchemaProblem(ValueError):
    """A schema that does not compile; the message says why."""


class Validator:
    """One schema, compiled. Patterns have bounded cost, references stay inside the schema."""

    def __init__(self, schema: JSONObject) -> None:
        """Compile.

        Raises:
            SchemaProblem: it is not a schema, or a `$ref` or pattern in it leads nowhere.
        """
        try:
            self._validator = validator_for(dict(schema), offline=True, pattern_options=_PATTERNS)
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            raise SchemaProblem(_first_line(str(problem))) from None
        text = dump(schema)
        self._has_choices = b'"anyOf"' in text or b'"oneOf"' in text
        self._may_recur = self._has_choices and b'"$ref"' in text

    def violations(self, value: Any) -> list[str]:
        """What is wrong with a value, each with its JSON path; empty if nothing is."""
        found: list[str] = []
        try:
            if self._validator.is_valid(value):
                return found
            if self._may_recur and is_deeper_than(value, _MAX_EXPLAINED_DEPTH):
                return ["$: it is not what the schema allows; so deeply nested, no place is named"]
            if has_more_than(value, _MAX_EXPLAINED):
                return [self._first(value)]
            for error in self._validator.iter_errors(value):
                found.append(_explained(error))
                if len(found) == _MAX_VIOLATIONS:
                    break
        except (ValueError, TypeError, OverflowError) as problem:
            found.append(f"$: {_first_line(str(problem))}")
        return found

    def _first(self, value: Any) -> str:
        """A violation of a large value that has some, with its place if that is soon found."""
        if not self._has_choices and not has_more_than(value, _MAX_SEARCHED):
            try:
                self._validator.validate(value)
            except ValidationError as error:
                return _explained(error)
        return "$: it is not what the schema allows; so large, no place is named"


def _explained(error: ValidationError) -> str:
    return f"{json_path(error.instance_path)}: {_first_line(error.message)}"


def json_path(steps: list[str | int]) -> str:
    """A place in a value as a JSONPath (RFC 9535): `$.items[0].name`."""
    return "$" + "".join(_path_step(step) for step in steps)


def _path_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_KEY.fullmatch(step):
        return f".{step}"
    quoted = step[:100].replace("\\", "\\\\").replace("'", "\\'")
    return f"['{quoted}']"


def _first_line(message: str) -> str:
    line = message.partition("\n")[0]
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"
