"""JSON and JSON Lines: each record is a row, each value under its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rag.core.errors import SourceError
from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.loaders.base import build_document, clean, squeeze
from rag.ingest.loaders.dates import to_iso_date
from rag.ingest.loaders.encodings import decode
from rag.ingest.loaders.tables import build_cell, build_rows

# Values longer than this are paragraphs of their own under their name.
_LONG = 300
_TITLES = ("title", "name", "headline")
_DATES = ("date", "published", "datePublished", "created", "updated")


def read_json(content: bytes) -> ParsedDocument:
    """Each object of one level is a row (``name: value; name: value``); lists and objects inside come after it.

    Raises:
        SourceError: no JSON, or nested too deeply.
    """
    text, notes = decode(content)
    try:
        value = json.loads(text)
    except ValueError as error:
        if "\n" in text.strip():
            return _read_lines(text, notes)
        raise SourceError(f"it is not JSON: {error}") from error
    title = date = ""
    if isinstance(value, dict):
        title = next((value[key] for key in _TITLES if isinstance(value.get(key), str)), "")
        date = next((iso for key in _DATES if (iso := to_iso_date(str(value.get(key, ""))))), "")
    return build_document(build_records(value), title, date, notes)


def read_json_lines(content: bytes) -> ParsedDocument:
    """One value a line.

    Raises:
        SourceError: a line is no JSON.
    """
    text, notes = decode(content)
    return _read_lines(text, notes)


def _read_lines(text: str, notes: tuple[str, ...]) -> ParsedDocument:
    """The lines that are JSON; those that are not are named."""
    blocks: list[Block] = []
    bad: list[int] = []
    num_good = 0
    for number, line in enumerate(clean(text).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            bad.append(number)
            continue
        num_good += 1
        blocks += build_records(value, f"line {number}")
    if bad and num_good < len(bad):
        raise SourceError(f"it is not JSON: line {bad[0]} cannot be read")
    if bad:
        shown = ", ".join(map(str, bad[:10])) + (f" and {len(bad) - 10} more" if len(bad) > 10 else "")
        notes = (*notes, f"not JSON and left out: line {shown}")
    return build_document(blocks, notes=notes)


def build_records(value: Any, place: str = "") -> Iterator[Block]:
    """The rows of a value, outer ones first, without recursion.

    Args:
        value: what :func:`json.loads` gives.
        place: where it stands; records of a list without a place are counted.
    """
    waiting: list[tuple[str, Any, str]] = [("", value, place)]
    while waiting:
        path, node, where = waiting.pop()
        if isinstance(node, dict):
            plain, long, inner = _sort_fields(node, path)
            yield Block("; ".join(f"{name}: {text}" for name, text in plain), "row", location=where)
            yield from (Block(f"{name}: {text}", location=where) for name, text in long)
            waiting += [(name, each, where) for name, each in reversed(inner)]
        elif isinstance(node, list) and _is_grid(node):
            rows = [[build_cell(_show(each) or "") for each in row] for row in node]
            yield from build_rows(rows, locate=lambda row, where=where: where)  # type: ignore[misc]
        elif isinstance(node, list):
            is_top = not path and not where
            each_where = [f"record {number}" if is_top else where for number in range(1, len(node) + 1)]
            waiting += [(path, each, here) for each, here in reversed(list(zip(node, each_where, strict=True)))]
        elif (text := _show(node)) is not None:
            yield Block(f"{path}: {text}" if path else text, "row", location=where)


def _is_grid(node: list[Any]) -> bool:
    """Whether a list holds the rows of a table."""
    rows = [row for row in node if isinstance(row, list)]
    return len(rows) == len(node) > 1 and all(
        1 < len(row) == len(rows[0]) and not any(isinstance(each, (dict, list)) for each in row) for row in rows
    )


def _sort_fields(
    record: dict[str, Any], path: str
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[tuple[str, Any]]]:
    """Short values, long texts, and what nests. Lists of plain values count as values, and so do small objects."""
    plain: list[tuple[str, str]] = []
    long: list[tuple[str, str]] = []
    inner: list[tuple[str, Any]] = []
    for key, value in record.items():
        name = f"{path} {key}".strip()[-200:]
        text = _show(value)
        if isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value):
            text = ", ".join(shown for each in value if (shown := _show(each)) is not None)
        if isinstance(value, dict) and not any(isinstance(each, (dict, list)) for each in value.values()):
            plain += [(f"{name} {inner_key}", shown) for inner_key, each in value.items() if (shown := _show(each))]
        elif isinstance(value, (dict, list)) and text is None:
            inner.append((name, value))
        elif text:
            (long if len(text) > _LONG else plain).append((name, text))
    return plain, long, inner


def _show(value: Any) -> str | None:
    """A plain value as text; ``None`` for what nests, and for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if len(value) > _LONG else squeeze(value)
    return str(value) if isinstance(value, (int, float)) else None
