"""Shapes that are types: Pydantic models, dataclasses, `list[int]`, whatever Pydantic reads."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from edge.sdk.encoding import encode
from edge.sdk.shapes import JSON, MAX_DETAILS, UNNAMED, Detail, Invalid, Use

_MAX_WORDED = 1_000
"""Things wrong with one value that Pydantic is asked to word: it words all or none."""


class _AsWritten(GenerateJsonSchema):
    """Schemas in the order of their declaration, without titles that Pydantic makes of names."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Not by the alphabet: a type is read first."""
        del parent_key
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No."""
        del schema
        return False

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Its own title alone, if the author gave it one."""
        made = super().model_schema(schema)
        if made.get("title") == schema["cls"].__name__:
            del made["title"]
        return made


class TypedShape:
    """One type."""

    def __init__(self, declared: Any) -> None:
        """Prepare.

        Raises:
            ValueError: Pydantic does not know this type.
        """
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(declared)
        except PydanticUserError as problem:
            raise ValueError(
                f"{declared!r} is neither a type nor a JSON Schema: {problem}"
            ) from None

        self._schemas: dict[Use, JSON] = {}

    def schema(self, use: Use) -> JSON:
        """As `Shape`; made once, when it is asked for."""
        if use not in self._schemas:
            self._schemas[use] = self._schema(use)
        return self._schemas[use]

    def _schema(self, use: Use) -> JSON:
        mode = "validation" if use == "input" else "serialization"
        return self._adapter.json_schema(mode=mode, schema_generator=_AsWritten)  # type: ignore[arg-type]

    def check(self, value: Any) -> Any:
        """As `Shape`; by the rules for JSON, so that strict models take dates as text."""
        try:
            return self._adapter.validate_json(encode(value))
        except ValidationError as problem:
            raise Invalid(_details(problem)) from None

    def dump(self, value: Any) -> Any:
        """As `Shape`."""
        try:
            made = self._adapter.validate_python(value)
            return self._adapter.dump_python(made, mode="json", by_alias=True)
        except ValidationError as problem:
            raise Invalid(_details(problem)) from None


def _details(problem: ValidationError) -> list[Detail]:
    if problem.error_count() > _MAX_WORDED:
        return [UNNAMED]
    found = problem.errors(include_url=False, include_context=False, include_input=False)
    return [Detail(tuple(each["loc"]), each["msg"], each["type"]) for each in found[:MAX_DETAILS]]
