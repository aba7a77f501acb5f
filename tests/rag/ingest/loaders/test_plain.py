"""Text, code, reStructuredText, CSV and JSON."""

# ruff: noqa: E501  texts of files stand in long lines

from __future__ import annotations

import pytest

from rag.core.errors import SourceError
from tests.rag.ingest.loaders.reading import read, texts


def test_text_in_paragraphs_with_their_lines() -> None:
    document = read(".txt", "One\ntwo\r\n\r\n\n  three  \x00\n")
    assert [(block.text, block.location) for block in document.blocks] == [("One\ntwo", "line 1"), ("three", "line 5")]


def test_code_is_cut_before_functions() -> None:
    document = read(".py", "import a\n\n\ndef f():\n    x = 1\n\n    return x\n\n\nclass B:\n    pass\n")
    assert [(block.kind, block.location) for block in document.blocks] == [
        ("code", "line 1"),
        ("code", "line 4"),
        ("code", "line 10"),
    ]
    assert document.blocks[1].text == "def f():\n    x = 1\n\n    return x"


def test_xml_declares_its_encoding() -> None:
    document = read(".xml", '<?xml version="1.0" encoding="koi8-r"?>\n<a>Паром</a>'.encode("koi8-r"))
    assert ("Паром" in document.blocks[0].text, document.notes) == (True, ())


def test_rst() -> None:
    text = (
        "Handbook\n========\n\n:Author: Ada\n:Date: 2024-05-03\n\nText with ``code`` and :ref:`the index <x>`.\n\n* item\n\n"
        "  * deep\n\n.. note::\n\n   Watch out.\n\n.. versionadded:: 2.0\n   New rope.\n\n.. include:: /etc/passwd\n\n"
        "=====  ===\nBerth  Fee\n=====  ===\nNorth  17\n=====  ===\n"
    )
    document = read(".rst", text)
    assert (document.title, document.date) == ("Handbook", "")
    found = texts(document)
    for expected in ("Text with code and the index.", "Watch out.", "Berth: North; Fee: 17", "item", "deep"):
        assert expected in found
    assert any("New rope." in each for each in found)
    assert not any("root:" in each for each in found)


@pytest.mark.parametrize(
    "text",
    [
        'Berth,Fee,Note\nNorth,17,"a, ""b"" and\nmore"\n',
        'Berth;Fee;Note\nNorth;17;a, "b" and more\n',
        '\ufeffBerth\tFee\tNote\nNorth\t17\ta, "b" and more\n',
        'sep=|\nBerth|Fee|Note\nNorth|17|a, "b" and more\n',
    ],
)
def test_csv_with_any_delimiter(text: str) -> None:
    assert texts(read(".csv", text))[1] == 'Berth: North; Fee: 17; Note: a, "b" and more'


def test_csv_places_and_numbers_with_commas() -> None:
    document = read(".csv", "Ort;Preis\nOslo;1,5\nBergen;2,25\n")
    assert [(block.text, block.location) for block in document.blocks][1:] == [
        ("Ort: Oslo; Preis: 1,5", "row 2"),
        ("Ort: Bergen; Preis: 2,25", "row 3"),
    ]


def test_json_records_nesting_and_lists() -> None:
    text = '{"title": "Harbour", "date": "2024-05-03", "box": {"fee": 17}, "tags": ["a", "b"], "in": [{"x": {"y": {"z": "deep"}}}]}'
    document = read(".json", text)
    assert (document.title, document.date) == ("Harbour", "2024-05-03")
    assert texts(document) == ["title: Harbour; date: 2024-05-03; box fee: 17; tags: a, b", "in x y z: deep"]


def test_json_tables_and_places() -> None:
    assert texts(read(".json", '[["Berth", "Fee"], ["North", 17]]')) == ["Berth | Fee", "Berth: North; Fee: 17"]
    assert [block.location for block in read(".json", '[{"a": 1}, {"a": 2}]').blocks] == ["record 1", "record 2"]


def test_json_lines_of_which_one_is_cut() -> None:
    document = read(".jsonl", '{"a": "one"}\n{"a": "two"}\n{"a": "thr')
    assert [(block.text, block.location) for block in document.blocks] == [("a: one", "line 1"), ("a: two", "line 2")]
    assert document.notes == ("not JSON and left out: line 3",)


@pytest.mark.parametrize("text", ["{", "no json", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}"])
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(SourceError):
        read(".json", text)


def test_lone_surrogates_never_get_out() -> None:
    assert texts(read(".json", '{"a": "x\\ud800y", "b": "\\ud83d\\ude00"}')) == ["a: x\ufffdy; b: \U0001f600"]
