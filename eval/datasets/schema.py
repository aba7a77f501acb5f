"""What the parsers of all data sets share: the base of a row's schema, and field types that several use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from eval.metrics.answers import normalize
from rag.core.passages import Passage


class Schema(BaseModel):
    """Fields that a row must have; what else the row holds is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True)


def _listed(value: Any) -> Any:
    """A list from a list, a JSON list in a text, ``a|b``, or one bare value; an empty text is no value."""
    if value is None or isinstance(value, (list, tuple)):
        return value
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    if text.startswith("["):
        return _decoded(text)
    return [part.strip() for part in text.split("|") if part.strip()]


def _required(value: Any) -> Any:
    """An empty cell of a table may be an oversight; it must not turn a question into an unanswerable one."""
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; give [] where the question has no answer")
    return _listed(value)


def _decoded(value: Any) -> Any:
    """JSON in a text, as tables store nested fields; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at column {error.colno}") from error


def _one_or_many(value: Any) -> Any:
    if value is None:
        return ()
    return [value] if isinstance(value, (str, int, float)) else value


# "a|b" is cut only here, in the plain format: answers of published sets may hold the sign.
Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Required = Annotated[tuple[str, ...], BeforeValidator(_required)]
OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


def from_json(value: Any) -> Any:
    """Validator of nested fields that a table stores as JSON text."""
    return _decoded(value)


def make_passage(title: str, text: str, doc_id: str = "") -> Passage:
    """A passage that is a whole document; without ``doc_id`` it is named by its content."""
    name = doc_id or "d" + hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:12]
    return Passage(f"{name}:0", name, name, title, text)


def distinct(texts: Sequence[str], unlike: Sequence[str] = ()) -> tuple[str, ...]:
    """``texts`` without blanks, repetitions, and those that normalise like one of ``unlike``; in their order."""
    seen = {normalize(text) for text in unlike}
    result = []
    for text in texts:
        key = normalize(text) or text.strip()
        if key and key not in seen:
            seen.add(key)
            result.append(text)
    return tuple(result)


def explain(error: ValidationError) -> str:
    """One line that names the fields at fault."""
    faults = [
        (".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in error.errors()
    ]
    return "; ".join(f"{field}: {message}" if field else message for field, message in faults)
