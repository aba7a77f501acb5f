"""The form of an answer, as OpenAI's ``response_format`` asks for it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rag.service.schemas import Strict

_MAX_SCHEMA_CHARS = 100_000


class TextFormat(Strict):
    """Free text."""

    type: Literal["text"]

    def schema_text(self) -> str:
        """No schema."""
        return ""


class ObjectFormat(Strict):
    """Any JSON object."""

    type: Literal["json_object"]

    def schema_text(self) -> str:
        """The schema of all objects."""
        return '{"type": "object"}'


class NamedSchema(BaseModel):
    """A JSON Schema; its name and description are for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    description: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = Field(None, description="Taken for compatibility; the schema always holds.")


class SchemaFormat(Strict):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema

    def schema_text(self) -> str:
        """The schema as JSON text.

        Raises:
            ValueError: it is too long.
        """
        text = json.dumps(self.json_schema.schema_, sort_keys=True)
        if len(text) > _MAX_SCHEMA_CHARS:
            raise ValueError(f"the schema has {len(text)} characters; expected {_MAX_SCHEMA_CHARS} at most")
        return text


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]
