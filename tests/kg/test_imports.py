"""Importing triples: what is good is taken, what is bad is listed by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kg.imports import import_triples
from rag.core.errors import SourceError
from rag.core.passages import Passage

FIRST = Passage("d:0", "d", "d", "Mill", "The mill was built in 1764.")
SECOND = Passage("d:1", "d", "d", "Mill", "Ada Penrose restored it.")


def write(tmp_path: Path, *lines: str | bytes) -> Path:
    file = tmp_path / "triples.jsonl"
    file.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return file


def test_bad_rows_are_listed_and_good_ones_kept(tmp_path: Path) -> None:
    good = '{"doc_id": "d", "triples": [["Mill", "built in", "1764"]]}'
    file = write(
        tmp_path,
        good,  # 1
        "{",  # 2
        "",  # 3, passed over
        '{"doc_id": "elsewhere", "entities": ["Mill"]}',  # 4
        '{"doc_id": "d", "triples": "none"}',  # 5
        '{"doc_id": "d"}',  # 6
        "42",  # 7
        b'\xff"',  # 8
        '{"doc_id": 7, "entities": []}',  # 9
        '{"doc_id": "d", "entities": ["?", "Ada Penrose"], "triples": [["a", "b"]]}',  # 10: two parts left out
        "[" * 100_000,  # 11
        good,  # 12
    )
    report = import_triples(file, [FIRST, SECOND])
    assert [row.line for row in report.rejected] == [2, 4, 5, 6, 7, 8, 9, 10, 10, 11]
    assert [triple.claim for item in report.extractions for triple in item.triples] == [
        ("mill", "built in", "1764")
    ] * 2
    assert any(m.entity == "ada penrose" for item in report.extractions for m in item.mentions)


def test_facts_go_to_the_piece_of_the_document_that_states_them(tmp_path: Path) -> None:
    row = {"doc_id": "d", "entities": ["Ada Penrose"], "triples": [["Mill", "built in", "1764"]]}
    by_id = {
        item.passage_id: item for item in import_triples(write(tmp_path, json.dumps(row)), [FIRST, SECOND]).extractions
    }
    assert [t.claim for t in by_id["d:0"].triples] == [("mill", "built in", "1764")]
    assert by_id["d:1"].triples == ()
    source = by_id["d:0"].triples[0].source
    assert FIRST.text[source.start : source.end] == "1764"
    place = next(m.source for m in by_id["d:1"].mentions if m.entity == "ada penrose")
    assert SECOND.text[place.start : place.end] == "Ada Penrose"


def test_bare_triples_belong_to_the_given_document(tmp_path: Path) -> None:
    report = import_triples(write(tmp_path, '["a", "r", "b"]'), doc_id="facts")
    assert [(t.claim, t.source.doc_id) for t in report.extractions[0].triples] == [(("a", "r", "b"), "facts")]


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.jsonl"):
        import_triples(tmp_path / "none.jsonl")
