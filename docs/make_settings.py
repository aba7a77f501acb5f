"""Write docs/SETTINGS.md from the code: ``python -m docs.make_settings``.

Every setting's name, type, default and meaning stands once, in the code. A test compares the page with it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from decoders.params import DECODER_NAMES, decoder_params
from eval.run.config import RunConfig
from rag.core.query import Query, Sampling, Search
from rag.core.settings.config import Config
from rag.service.settings import ServiceSettings

PAGE = Path(__file__).with_name("SETTINGS.md")

_HEAD = """\
# Settings

Made from the code by `python -m docs.make_settings`; not edited by hand. A test fails when it differs.
"""

_ENGINE = """\
## Engine

Fields of `rag.core.settings.config.Config`. A setting comes, later ones winning, from the default, a TOML file
(`--config`), the environment, and the caller: `Engine.open(path, name=value)` or an option of the command. An
unknown name or a bad value is an error that says what is allowed.
"""

_QUESTION = """\
## Question

Options of one question: `Engine.ask(question, name=value)`, and the `rag` object of a chat over HTTP. An option that
is not given has the engine's setting of the same name. The decoder's settings are options of a question too.
"""

_DECODERS = """\
## Decoders

`decoder` names one of these. On the command line `--alpha` sets `alpha`, and `--set NAME=VALUE` any other.
"""

_SERVICE = """\
## Service

`concord serve` sets these. `--limit NAME=NUMBER` sets any that is a number.
"""

_RUN = """\
## Evaluation run

Fields of `eval.run.config.RunConfig`: a TOML file given to `concord eval run`, or its options.
"""

_TYPE_NAMES: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "path",
    type(None): "none",
}
# Shown in their own table, or set by the service alone.
_NOT_OPTIONS = ("question", "decoder", "sampling", "search", "cache_salt", "remembers")


def page() -> str:
    """The whole page, as Markdown."""
    parts = [
        _HEAD,
        _ENGINE,
        _table(("setting", "environment", "type", "default", "meaning"), _engine_rows()),
        _QUESTION,
        _table(("option", "type", "default", "meaning"), _question_rows()),
        _DECODERS,
        *(_decoder(name) for name in DECODER_NAMES),
        _SERVICE,
        _table(("setting", "type", "default", "meaning"), _marked(_dataclass_rows(ServiceSettings))),
        _RUN,
        _table(("setting", "type", "default", "meaning"), _marked(_model_rows(RunConfig))),
    ]
    return "\n".join(parts)


def _engine_rows() -> Iterator[tuple[str, ...]]:
    for name, *cells in _model_rows(Config):
        yield f"`{name}`", f"`CONCORD_{name.upper()}`", *cells


def _model_rows(kind: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in kind.model_fields.items():
        default = "required" if field.is_required() else _value(field.get_default(call_default_factory=True))
        yield name, _type(field.annotation, field.metadata), default, field.description or ""


def _question_rows() -> Iterator[tuple[str, ...]]:
    engine = {name: [kind, "the engine's", meaning] for name, kind, _, meaning in _model_rows(Config)}
    for kind in (Query, Search, Sampling):
        for name, *cells in _dataclass_rows(kind):
            cells = engine.get(name, cells)
            if name not in _NOT_OPTIONS:
                yield f"`{name}`", *cells


def _decoder(name: str) -> str:
    kind = type(decoder_params(name))
    summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    title = f"### {name}\n\n{_line(summary)}\n"
    if not fields(kind):
        return f"{title}\nIt has no settings.\n"
    return f"{title}\n{_table(('setting', 'type', 'default', 'meaning'), _marked(_dataclass_rows(kind)))}"


def _dataclass_rows(kind: type[Any]) -> Iterator[tuple[str, ...]]:
    meanings = _attributes(inspect.getdoc(kind) or "")
    types = inspect.get_annotations(kind, eval_str=True)
    for field in fields(kind):
        yield field.name, _type(types[field.name]), _default(field), meanings[field.name]


def _marked(rows: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", *cells) for name, *cells in rows)


def _attributes(docstring: str) -> dict[str, str]:
    """The meanings under "Attributes:", by name; ``a, b: text`` stands for both."""
    _, _, text = docstring.partition("Attributes:\n")
    meanings: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\w)", "\n" + text.split("\n\n")[0]):
        names, _, meaning = entry.strip().partition(": ")
        meanings |= dict.fromkeys(names.split(", "), _sentence(_line(meaning)))
    return meanings


def _type(kind: Any, limits: Iterable[Any] = ()) -> str:
    """A type and its limits as a reader knows them: ``number, at least 0``."""
    if get_origin(kind) is Annotated:
        base, *annotations = get_args(kind)
        return _type(base, [limit for item in annotations for limit in getattr(item, "metadata", [item])])
    return ", ".join([_type_name(kind), *filter(None, map(_limit, limits))])


def _type_name(kind: Any) -> str:
    if kind in _TYPE_NAMES:
        return _TYPE_NAMES[kind]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {'texts' if get_args(kind)[0] is str else 'messages'}"
    if get_origin(kind) is dict:
        return "table"
    return " or ".join(map(_type, get_args(kind)))


def _limit(item: Any) -> str:
    """One limit of a number; empty for other annotations."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{word} {getattr(item, key)}" for key, word in words.items() if hasattr(item, key))


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "required" if field.default_factory is MISSING else _value(field.default_factory())
    return _value(field.default)


def _value(value: Any) -> str:
    if value is None or value == ():
        return "none" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:_}`" if isinstance(value, int) and value >= 10_000 else f"`{value}`"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _line(text: str) -> str:
    """One line, with Markdown's code marks in place of those of docstrings."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")


def _sentence(text: str) -> str:
    """Begins with a capital, unless it begins with code, and ends with a stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ".)")) else ".")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
