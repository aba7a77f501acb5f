"""Rows of a file or of a hub's data set, each with the line it stands on. A bad row is reported, not raised."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.core.errors import SourceError

_ARRAY_START = re.compile(r'\s*(?:\[|\{.*?"(?:data|Data)"\s*:\s*\[)', re.DOTALL)
_BLANKS_AND_COMMA = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class DataRow:
    """One record: its line in the file (from 1), and either its fields or what is wrong with it."""

    line: int
    fields: Mapping[str, Any]
    error: str = ""


def read_rows(path: Path) -> Iterator[DataRow]:
    """Rows of a ``.jsonl``, ``.json``, ``.csv``, ``.tsv``, ``.txt`` (tab-separated, no header) or ``.parquet``
    file; all but the last may be gzipped.

    Raises:
        SourceError: the file is missing, or of another type, or cannot be decoded.
    """
    match Path(path.name.removesuffix(".gz")).suffix.lower():
        case ".jsonl":
            return _json_lines(_text(path))
        case ".json":
            return _json_array(_text(path), path)
        case ".csv":
            return _separated(_text(path), ",")
        case ".tsv":
            return _separated(_text(path), "\t")
        case ".txt":
            return _columns(_text(path))
        case ".parquet":
            return hub_rows("parquet", None, "train", str(path))
        case suffix:
            kinds = ".jsonl, .json, .csv, .tsv, .txt or .parquet"
            raise SourceError(f"{path} is of unknown type {suffix!r}; expected {kinds}")


def hub_rows(name: str, subset: str | None, split: str, data_files: str | None = None) -> Iterator[DataRow]:
    """Rows of a data set that the ``datasets`` package finds; the line is the record's number.

    Raises:
        SourceError: the package is not installed, or finds no such data set or split.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise SourceError(f"reading {name} needs the package 'datasets'; install concord-rag[datasets]") from error
    try:
        table = datasets.load_dataset(name, subset, split=split, data_files=data_files)
    except (OSError, ValueError) as error:
        where = f"data set {name!r}, subset {subset!r}, split {split!r}"
        raise SourceError(f"{where} could not be read: {_first_line(error)}") from error
    return (DataRow(record, fields) for record, fields in enumerate(table, start=1))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {_first_line(error)}") from error


def _json_lines(text: str) -> Iterator[DataRow]:
    # Not splitlines(): JSON strings may hold U+2028 and its like, which that takes for ends of lines.
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield _json_row(line, content)


def _json_row(line: int, content: str) -> DataRow:
    try:
        return _checked(line, json.loads(content))
    except json.JSONDecodeError as error:
        return DataRow(line, {}, f"not valid JSON: {error.msg} at column {error.colno}")


def _checked(line: int, value: object) -> DataRow:
    if isinstance(value, dict):
        return DataRow(line, value)
    return DataRow(line, {}, f"expected a JSON object, got {type(value).__name__}")


def _json_array(text: str, path: Path) -> Iterator[DataRow]:
    """Elements of the file's array, decoded one at a time so that each knows its line."""
    start = _ARRAY_START.match(text)
    if start is None:
        raise SourceError(f"{path} holds neither a JSON array nor an object with a 'data' array")
    decoder, position, line, counted = json.JSONDecoder(), start.end(), 1, 0
    while True:
        position = _BLANKS_AND_COMMA.match(text, position).end()  # type: ignore[union-attr]  # matches anything
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] == "]":
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            yield DataRow(error.lineno, {}, f"not valid JSON from here on: {error.msg} at column {error.colno}")
            return
        yield _checked(line, value)


def _separated(text: str, delimiter: str) -> Iterator[DataRow]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 2
    for fields in reader:
        num_expected, num_surplus = len(reader.fieldnames or ()), len(fields.pop(None, ()))
        num_given = num_surplus + sum(value is not None for value in fields.values())
        error = "" if num_given == num_expected else f"expected {num_expected} columns, got {num_given}"
        yield DataRow(line, fields, error)
        line = reader.line_num + 1


def _columns(text: str) -> Iterator[DataRow]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield DataRow(line, {"columns": content.strip("\r").split("\t")})


def _first_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.split("\n", 1)[0] or type(error).__name__
