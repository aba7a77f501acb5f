"""The table of readers, the edge where parsers' errors end, and the cleaning of every text."""

from __future__ import annotations

import random

import pytest

from benchmarks.reading_damage import damage
from benchmarks.reading_facts import Facts
from benchmarks.reading_files import WRITERS
from benchmarks.reading_office import OFFICE_WRITERS
from rag.core.errors import SourceError
from rag.ingest.blocks import Block
from rag.ingest.loaders.base import KNOWN_TYPES, build_document, clean
from rag.ingest.loaders.dates import from_mail_date, to_iso_date
from rag.ingest.loaders.registry import READERS, read_file

ALL = WRITERS | OFFICE_WRITERS


def test_the_named_types_are_known() -> None:
    for name in KNOWN_TYPES.removesuffix(", and source code").split(", "):
        assert f".{name}" in READERS
    with pytest.raises(SourceError, match=r"unknown type '\.png'; known are txt"):
        read_file(".png", b"")


def read_or_reason(suffix: str, content: bytes) -> list[str]:
    """The texts of a file that can be read; else the one reason."""
    try:
        document = read_file(suffix, content)
    except SourceError as error:
        return [str(error)]
    return [document.title, *document.notes, *(f"{block.location} {block.text}" for block in document.blocks)]


@pytest.mark.parametrize("name", ALL)
def test_damaged_files_are_read_or_refused_in_one_line(name: str) -> None:
    generator = random.Random(name)
    for case in ALL[name](Facts(3)):
        for _ in range(15):
            given = read_or_reason(case.suffix, damage(case.content, generator))
            "".join(given).encode()
            assert "\0" not in "".join(given)
            assert len(given) > 1 or "\n" not in given[0]


@pytest.mark.parametrize("suffix", sorted(READERS))
@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02\xff\xfe" * 40, b"PK\x03\x04" + bytes(60), b"%PDF-1.7\n", b"{\\rtf1"]
)
def test_files_that_pretend(suffix: str, content: bytes) -> None:
    """Nothing, and noise: blocks or one line."""
    given = read_or_reason(suffix, content)
    assert len(given) > 1 or "\n" not in given[0]


def test_texts_are_cleaned() -> None:
    assert clean("a\0b\x07c\r\nd\x0ce\ud83d\ude00\ud800") == "abc\nd\ne\U0001f600\ufffd"
    document = build_document([Block(" \n"), Block(" a\0 ", location="sheet\0 1"), Block("  x\n", "code")], " T\n2 ")
    assert [(block.text, block.location) for block in document.blocks] == [("a", "sheet 1"), ("  x", "")]
    assert document.title == "T 2"


@pytest.mark.parametrize(
    ("stated", "date"),
    [
        ("2024-05-03T10:00:00+02:00", "2024-05-03"),
        ("2024/05/03", "2024-05-03"),
        ("20240503T100000", "2024-05-03"),
        ("2024-05", "2024-05"),
        ("2024", "2024"),
        ("3 May 2024", "2024-05-03"),
        ("Friday, May 3rd, 2024", "2024-05-03"),
        ("Tue, 14 May 2024 10:00:00 GMT", "2024-05-14"),
        ("03.05.2024", "2024-05-03"),
        ("31/05/2024", "2024-05-31"),
        ("05/03/2024", ""),  # two ways to read it
        ("2024-13-45", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_dates(stated: str, date: str) -> None:
    assert to_iso_date(stated) == date


def test_dates_of_mail() -> None:
    assert from_mail_date("Tue, 14 May 2024 23:30:00 -0500") == "2024-05-14"
    assert from_mail_date("yesterday") == ""
