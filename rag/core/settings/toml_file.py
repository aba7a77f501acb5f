"""From a TOML file, or any plain values, to a checked model. An error is one line that names the field at fault."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rag.core.errors import SettingError

Model = TypeVar("Model", bound=BaseModel)


def read_toml(file: Path) -> dict[str, Any]:
    """The values in ``file``.

    Raises:
        SettingError: it is missing, unreadable or no TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"cannot read settings from {file}: {reason}") from error


def checked(model: type[Model], values: Mapping[str, Any], origin: str = "") -> Model:
    """``values`` as a ``model``; ``origin`` says in errors where they came from.

    Raises:
        SettingError: an unknown key, a missing or a bad value.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SettingError(_explain(error, model, f" ({origin})" if origin else "")) from error


def _explain(error: ValidationError, model: type[BaseModel], origin: str) -> str:
    fault, *others = error.errors()
    # A field of several types has one message for each of them, and each place ends with a type.
    same = [fault, *(other for other in others if other["loc"][:1] == fault["loc"][:1])]
    place = fault["loc"] if len(same) == 1 else fault["loc"][:1]
    name = ".".join(str(part) for part in place if isinstance(part, int) or part.isidentifier())
    messages = dict.fromkeys(other["msg"].removeprefix("Value error, ") for other in same)
    message = ", or ".join(f"{text[:1].lower()}{text[1:]}" for text in messages)
    match fault["type"]:
        case "extra_forbidden" if len(fault["loc"]) == 1:
            return f"unknown setting {name!r}{origin}; known are {', '.join(model.model_fields)}"
        case "extra_forbidden":
            return f"unknown setting {name!r}{origin}; remove it"
        case "missing":
            field = model.model_fields.get(name)
            return f"setting {name!r} is missing{origin}" + (f": {field.description}" if field else "")
    return f"setting {name}={fault['input']!r}{origin}: {message}" if name else message
