"""Every setting of a run and of its engine as an option of ``concord eval run``.

The options are made from the settings themselves: their names, their meaning and their defaults are written once.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from eval.run.config import RunConfig
from rag.cli.common import without_none
from rag.core.settings.config import Config

# By its group, the name of a setting and its value.
Chosen = dict[str, dict[str, Any]]

_MODELS: Mapping[str, type[BaseModel]] = {"run": RunConfig, "engine": Config}
_PANELS = {"run": "Settings of the run", "engine": "Settings of the engine"}
# Set by --metric, by --set and by the engine's own options; and the engine's settings that a run has too.
_LEFT_OUT = {"run": {"metrics", "decoder_settings", "engine"}, "engine": {"decoder", "top_k", "max_tokens"}}
_MAX_DEFAULT = 30


def with_setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with an option for every setting; those that were set come as its argument ``chosen``."""
    options = {f"{group}__{name}": (group, name, field) for group, name, field in _fields()}

    @wraps(command)
    def run(**arguments: Any) -> None:
        chosen: Chosen = {group: {} for group in _MODELS}
        for key, (group, name, field) in options.items():
            value = arguments.pop(key)
            chosen[group][name] = parse_setting(field, value) if isinstance(value, str) else value
        command(**arguments, chosen={group: without_none(values) for group, values in chosen.items()})

    hints = get_type_hints(command, include_extras=True)
    declared = [item for item in inspect.signature(command).parameters.values() if item.name != "chosen"]
    parameters = [item.replace(annotation=hints[item.name]) for item in declared]
    parameters += [_parameter(key, *place) for key, place in options.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect reads it
    run.__annotations__ = {item.name: item.annotation for item in parameters}
    return run


def parse_setting(field: FieldInfo, text: str) -> Any:
    """The value that ``text`` means: as it is where the field takes texts alone, else as JSON where it is JSON."""
    if set(_types(field.annotation)) <= {str, Path}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def option_name(name: str) -> str:
    """The option of a setting: ``is_retrieval_only`` is ``--retrieval-only``."""
    return f"--{name.removeprefix('is_').replace('_', '-')}"


def _fields() -> Iterator[tuple[str, str, FieldInfo]]:
    for group, model in _MODELS.items():
        for name, field in model.model_fields.items():
            if name not in _LEFT_OUT[group]:
                yield group, name, field


def _parameter(key: str, group: str, name: str, field: FieldInfo) -> inspect.Parameter:
    is_flag = _types(field.annotation) == [bool]
    option = option_name(name)
    about: dict[str, Any] = {"help": _help(field), "rich_help_panel": _PANELS[group]}
    if not is_flag:
        about["metavar"] = "|".join(_words(field.annotation))
    kind: Any = bool | None if is_flag else str | None
    declared = f"{option}/--no-{option.removeprefix('--')}" if is_flag else option
    annotation = Annotated[kind, typer.Option(declared, **about)]
    return inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(field: FieldInfo) -> str:
    is_shown = not field.is_required() and field.default not in (None, {}) and len(str(field.default)) <= _MAX_DEFAULT
    return f"{field.description} Default: {field.default}." if is_shown else field.description or ""


def _types(annotation: Any) -> list[Any]:
    """The types that a field takes, ``None`` and the bounds of numbers left out."""
    if get_origin(annotation) in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in _types(part)]
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    return [] if annotation is NoneType else [annotation]


def _words(annotation: Any) -> Iterator[str]:
    """What a value looks like, one word for each type."""
    for kind in _types(annotation):
        if get_origin(kind) is Literal:
            yield from map(str, get_args(kind))
        else:
            yield {int: "NUMBER", float: "NUMBER", str: "TEXT", Path: "PATH"}.get(kind, "JSON")
