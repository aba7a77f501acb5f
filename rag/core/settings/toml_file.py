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
    fault = error.errors()[0]
    # Where a field takes several types, the place names the one that was tried last: no part of the field's name.
    name = ".".join(str(part) for part in fault["loc"] if isinstance(part, int) or part.isidentifier())
    message = fault["msg"].removeprefix("Value error, ")
    match fault["type"]:
        case "extra_forbidden" if len(fault["loc"]) == 1:
            return f"unknown setting {name!r}{origin}; known are {', '.join(model.model_fields)}"
        case "extra_forbidden":
            return f"unknown setting {name!r}{origin}; remove it"
        case "missing":
            field = model.model_fields.get(name)
            return f"setting {name!r} is missing{origin}" + (f": {field.description}" if field else "")
    return f"setting {name}={fault['input']!r}{origin}: {message[0].lower()}{message[1:]}" if name else message
