"""Rows: a passage, a question about it, and the answers that the passage gives."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.core.errors import InputError


@dataclass(frozen=True)
class Row:
    """A question about a passage.

    Attributes:
        document: what the passage was cut from. Rows of one document never stand on both sides of a split.
        title, text: the passage.
        question: as it was asked.
        answers: what the passage answers, the usual wording first; none where it does not say.
        is_written: a program wrote the question, not a person.
    """

    document: str
    title: str
    text: str
    question: str
    answers: tuple[str, ...] = ()
    is_written: bool = False


@dataclass(frozen=True)
class Rows:
    """What a file holds: rows, passages without questions, and what could not be read.

    Attributes:
        rows: questions with their passages.
        passages: ``(document, title, text)``; questions can be written about them.
        problems: one line each, with the number of the line.
    """

    rows: tuple[Row, ...] = ()
    passages: tuple[tuple[str, str, str], ...] = ()
    problems: tuple[str, ...] = ()


def read_rows(path: Path) -> Rows:
    """Rows of a JSONL file, or of a folder with ``corpus.jsonl`` and ``questions.jsonl``.

    A line of a file holds ``question``, ``answers`` (or ``answer``) and ``text`` (or ``context``, ``passage``);
    ``title`` and ``document`` may be missing. A line without a question is a passage. In a folder, a question names
    its passages by ``gold_doc_ids``; one without an answer belongs to the passage of the question before it.

    Raises:
        InputError: there is no such file, or nothing in it can be read.
    """
    if path.is_dir():
        found = _read_folder(path)
    elif path.is_file():
        found = _read_file(path)
    else:
        raise InputError(f"no data at {path}; give a JSONL file, or a folder with corpus.jsonl and questions.jsonl")
    if not found.rows and not found.passages:
        first = f" (first: {found.problems[0]})" if found.problems else ""
        raise InputError(
            f"{path} holds no rows that a skill can learn from{first}; a line needs question, answers, text"
        )
    return found


def _read_file(path: Path) -> Rows:
    rows: list[Row] = []
    passages: list[tuple[str, str, str]] = []
    problems: list[str] = []
    for number, line in _lines(path):
        try:
            row = _read_line(line)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        if row.question:
            rows.append(row)
        else:
            passages.append((row.document, row.title, row.text))
    return Rows(tuple(rows), tuple(passages), tuple(problems))


def _read_line(line: str) -> Row:
    """A row; without a question it is a passage."""
    values = _parse(line)
    text, title = _text(values, "text", "context", "passage"), str(values.get("title") or "")
    document = str(values.get("document") or values.get("doc_id") or title or text[:80])
    question = str(values.get("question") or "").strip()
    return Row(document, title, text, question, _answers(values) if question else ())


def _read_folder(path: Path) -> Rows:
    problems: list[str] = []
    corpus: dict[str, Row] = {}
    for values, problem in _objects(path / "corpus.jsonl"):
        try:
            text, name = _text(values, "text"), _text(values, "doc_id")
            title = str(values.get("title") or "")
            corpus[name] = Row(title or name, title, text, "")
        except ValueError as error:
            problems.append(problem or str(error))
    rows: list[Row] = []
    last: list[str] = []
    for values, problem in _objects(path / "questions.jsonl"):
        try:
            last = [str(name) for name in values.get("gold_doc_ids") or ()] or last
            rows += _ask(values, [corpus[name] for name in last if name in corpus])
        except ValueError as error:
            problems.append(problem or str(error))
    passages = [(item.document, item.title, item.text) for item in corpus.values()]
    return Rows(tuple(rows), tuple(passages), tuple(problems))


def _objects(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects of a file, each with what to say if it cannot be used; an empty one for a line that is none."""
    for number, line in _lines(path) if path.is_file() else ():
        where = f"{path.name}, line {number}"
        try:
            yield _parse(line), f"{where}: a field is missing"
        except ValueError as error:
            yield {}, f"{where}: {error}"


def _ask(values: dict[str, Any], passages: Sequence[Row]) -> Iterator[Row]:
    """The rows of a question: itself, or its steps, each with the first passage that holds the answer.

    Raises:
        ValueError: it has no question, or no answers.
    """
    question, answers = _text(values, "question"), _answers(values)
    for wording, right in _hops(values) if values.get("decomposition") else [(question, answers)]:
        place = next((item for item in passages if not right or _says(item.text, right)), None)
        if place is not None and (right or not values.get("gold_doc_ids")):
            yield Row(place.document, place.title, place.text, wording, right)


def _hops(values: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The steps of a question of several hops, earlier answers put in their places."""
    before: list[str] = []
    for step in values["decomposition"]:
        question = str(step["question"])
        for number, answer in enumerate(before, start=1):
            question = question.replace(f"#{number}", answer)
        before.append(str(step["answer"]))
        yield question, (str(step["answer"]),)


def _says(text: str, answers: Sequence[str]) -> bool:
    return any(answer.casefold() in text.casefold() for answer in answers)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())


def _parse(line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None
    if not isinstance(values, dict):
        raise ValueError("no JSON object")
    return values


def _text(values: dict[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(values.get(name), str) and values[name].strip():
            return str(values[name]).strip()
    raise ValueError(f"no {' or '.join(names)}")


def _answers(values: dict[str, Any]) -> tuple[str, ...]:
    """The answers; an empty list says that there are none.

    Raises:
        ValueError: the row has no such field.
    """
    if "answers" not in values and "answer" not in values:
        raise ValueError("no answers; write [] where the passage does not say")
    answers = values.get("answers", values.get("answer"))
    found = [answers] if isinstance(answers, str) else answers or []
    return tuple(dict.fromkeys(str(answer).strip() for answer in found if str(answer).strip()))
