"""Two readers of the same passages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.conflicts.reading.merge import merge_readings
from rag.core.verdict import Reading

SILENT = Reading("p:0", "p", "p.txt", "Port Selwick", "", confidence=0.0)
FIRST = replace(SILENT, answer="Edda Lindqvist", quote="The harbour master is Edda Lindqvist.", confidence=0.4)
SECOND = replace(SILENT, answer="Tomas Orrel", quote="Tomas Orrel was there.", confidence=0.9)


def test_the_first_reader_goes_before_the_second_however_sure_that_is() -> None:
    assert merge_readings([FIRST, SILENT, SILENT, FIRST], [SECOND, SECOND, SILENT, SILENT]) == (
        FIRST,
        SECOND,
        SILENT,
        FIRST,
    )


def test_beside_an_answer_of_the_first_reader_an_unsure_second_one_says_nothing() -> None:
    unsure = replace(SECOND, confidence=0.2)
    assert [reading.answer for reading in merge_readings([FIRST, SILENT], [SILENT, unsure])] == [FIRST.answer, ""]
    assert merge_readings([SILENT, SILENT], [SILENT, unsure]) == (SILENT, unsure)


def test_both_read_the_same_passages() -> None:
    with pytest.raises(ValueError, match="shorter"):
        merge_readings([FIRST], [])
