"""From the name of a data set and where it lies to its questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.datasets import conflicts, faitheval, multihop, open_domain, squad
from eval.datasets.plain import CorpusRow, documents, plain
from eval.datasets.rows import DataRow, hub_rows, read_rows
from eval.datasets.schema import explain
from eval.types import Dataset, MalformedRow, Question
from rag.core.errors import SettingError, SourceError
from rag.core.passages import Passage

Parser = Callable[[Mapping[str, Any], str], list[Question]]

HUB = "hub:"
DATASET_NAMES: tuple[str, ...] = (
    "plain",
    "documents",
    "hotpotqa",
    "2wikimultihopqa",
    "musique",
    "nq",
    "nq_swap",
    "nq_synth",
    "popqa",
    "triviaqa",
    "squad2",
    "confiqa",
    "mquake",
    "ramdocs",
    "faitheval_unanswerable",
    "faitheval_inconsistent",
    "faitheval_counterfactual",
    "pathquestion",
)


def load_dataset(name: str, data: str, subset: str | None = None, split: str = "validation") -> Dataset:
    """Questions of the data set ``name``.

    Args:
        data: a file in the format that the data set's authors publish, or ``hub:OWNER/NAME``.
        subset, split: for a hub.

    Raises:
        SettingError: no such data set.
        SourceError: nothing can be read at ``data``, or it holds no readable question at all.
    """
    parser = select_parser(name)
    rows = hub_rows(data.removeprefix(HUB), subset, split) if data.startswith(HUB) else read_rows(Path(data))
    if name == "squad2":
        rows = _flattened(rows)
    dataset = _parse(name, rows, parser)
    if not dataset.questions:
        first = f"; first fault: {dataset.malformed[0]}" if dataset.malformed else ""
        raise SourceError(f"{data} holds no question in the format of {name}{first}")
    return dataset


def select_parser(name: str) -> Parser:
    """The function that turns one row of the data set ``name`` into questions.

    Raises:
        SettingError: no such data set; the message says what there is.
    """
    match name:
        case "plain":
            return plain
        case "documents":
            return documents
        case "hotpotqa" | "2wikimultihopqa":
            return multihop.hotpotqa
        case "musique":
            return multihop.musique
        case "nq":
            return open_domain.natural_questions
        case "nq_swap":
            return conflicts.nq_swap
        case "nq_synth":
            return conflicts.nq_synth
        case "popqa":
            return open_domain.popqa
        case "triviaqa":
            return open_domain.triviaqa
        case "squad2":
            return squad.squad2
        case "confiqa":
            return conflicts.confiqa
        case "mquake":
            return conflicts.mquake
        case "ramdocs":
            return conflicts.ramdocs
        case "faitheval_unanswerable":
            return faitheval.unanswerable
        case "faitheval_inconsistent":
            return faitheval.inconsistent
        case "faitheval_counterfactual":
            return faitheval.counterfactual
        case "pathquestion":
            return open_domain.pathquestion
    near = get_close_matches(name, DATASET_NAMES, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SettingError(f"unknown data set {name!r}{hint}; choose one of {', '.join(DATASET_NAMES)}")


def load_corpus(path: str) -> list[Passage]:
    """Documents of a corpus file: rows of ``doc_id, title, text``.

    Raises:
        SourceError: the file cannot be read, or a row is not a document (its line is named).
    """
    passages = []
    for row in read_rows(Path(path)):
        try:
            if row.error:
                raise ValueError(row.error)
            passages.append(CorpusRow.model_validate(row.fields).passage())
        except ValueError as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            raise SourceError(f"{path}, line {row.line}: {reason}") from error
    return passages


def collect_passages(questions: Iterable[Question]) -> list[Passage]:
    """The passages of all questions as one corpus, each document once, in order of first use."""
    return list({passage.doc_id: passage for item in questions for passage in item.passages}.values())


def _parse(name: str, rows: Iterable[DataRow], parser: Parser) -> Dataset:
    questions: dict[str, Question] = {}
    malformed = []
    for record, row in enumerate(rows, start=1):
        try:
            for item in _questions(row, parser, f"{name}-{record}"):
                if item.question_id in questions:
                    raise ValueError(f"question id {item.question_id!r} was given before")
                questions[item.question_id] = item
        except ValidationError as error:
            malformed.append(MalformedRow(row.line, record, explain(error)))
        except ValueError as error:
            malformed.append(MalformedRow(row.line, record, str(error)))
    return Dataset(name, tuple(questions.values()), tuple(malformed))


def _questions(row: DataRow, parser: Parser, fallback_id: str) -> list[Question]:
    if row.error:
        raise ValueError(row.error)
    return parser(row.fields, fallback_id)


def _flattened(rows: Iterable[DataRow]) -> Iterator[DataRow]:
    """SQuAD nests its questions in articles; each becomes a row with its article's line."""
    for row in rows:
        if row.error:
            yield row
            continue
        try:
            yield from [DataRow(row.line, fields) for fields in squad.flatten(row.fields)]
        except (TypeError, AttributeError):
            yield DataRow(row.line, {}, "expected paragraphs with 'context' and 'qas'")
