"""Every format holds what was planted in it: the files of the reading benchmark, block by block."""

from __future__ import annotations

import pytest

from benchmarks.reading_facts import Case, Facts
from benchmarks.reading_files import WRITERS
from benchmarks.reading_office import OFFICE_WRITERS
from tests.rag.ingest.loaders.reading import read, texts

_CASES = [case for name, write in (WRITERS | OFFICE_WRITERS).items() for case in write(Facts(17))]


@pytest.mark.parametrize("case", _CASES, ids=[f"{case.suffix} {case.name}" for case in _CASES])
def test_planted(case: Case) -> None:
    """Each sentence once and in order, each cell with both its headings, nothing that is hidden."""
    blocks = [" ".join(text.split()) for text in texts(read(case.suffix, case.content))]
    places = [[i for i, text in enumerate(blocks) if " ".join(sentence.split()) in text] for sentence in case.sentences]
    assert [len(each) for each in places] == [1] * len(places)
    assert places == sorted(places)
    assert not [
        cell
        for cell in case.cells
        if not any(cell.row in text and cell.column in text and cell.value in text for text in blocks)
    ]
    assert not [text for text in case.absent if any(text in block for block in blocks)]
