"""Markdown: titles, code, lists, tables; no marks and no pictures."""

from __future__ import annotations

import pytest

from tests.rag.ingest.loaders.reading import kinds, read, texts


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Winter storage\n# internal\n---\n\n# Other\n", "Winter storage"),
        ("+++\ntitle = 'Winter: storage'\n+++\ntext", "Winter: storage"),
        ("```bash\n# install first\n```\n\n# Pump manual\n", "Pump manual"),
        ("~~~\n# not this\n~~~\n\n    # nor this\n\nCrane handbook\n===\n", "Crane handbook"),
        ("#todo ask Lena\n\n# Net repair #\n", "Net repair"),
        ("#!/usr/bin/env bash\n\nNotes.\n", ""),
        ("<!-- # no -->\n\n## Tides\n", "Tides"),
        ("---\n\nNote: closed\n\n---\n", ""),
    ],
)
def test_titles(text: str, title: str) -> None:
    assert read(".md", text).title == title


def test_front_matter_gives_the_date_and_what_it_says() -> None:
    document = read(".md", "---\ntitle: A\ndate: 2024-05-03 10:00\nauthor: Greta Oss\nlayout: post\n---\ntext")
    assert document.date == "2024-05-03"
    assert texts(document) == ["author: Greta Oss", "text"]


def test_pictures_inside_the_text_are_no_words() -> None:
    data = "data:image/png;base64," + "QUJD" * 500
    document = read(".md", f'![]({data})\n\n<img src="{data}">\n\n![A gull]({data})\n\n![][p]\n\n[p]: <{data}>\n\nEnd.')
    assert texts(document) == ["A gull", "End."]


def test_blocks_know_their_kind_and_line() -> None:
    text = "# A\n\ntext *one*\n\n* item\n  1. deep\n\n> said\n\n```py\nx = 1\n```\n\n| B | F |\n|---|---|\n| N | 17 |\n"
    document = read(".md", text)
    assert kinds(document) == [
        ("heading", 1, "A"),
        ("paragraph", 0, "text one"),
        ("item", 1, "item"),
        ("item", 2, "1. deep"),
        ("paragraph", 0, "said"),
        ("code", 0, "x = 1"),
        ("row", 0, "B | F"),
        ("row", 0, "B: N; F: 17"),
    ]
    assert [block.location for block in document.blocks][-3:] == ["line 11", "line 14", "line 16"]


def test_notes_at_the_foot_and_html_between() -> None:
    document = read(".md", "Fact.[^1]\n\n<div>\n<p>inside</p>\n</div>\n\n[^1]: Oslo\n")
    assert texts(document) == ["Fact.[^1]", "inside", "[^1]: Oslo"]


def test_long_texts_are_read_in_pieces_with_the_right_lines() -> None:
    text = "".join(f"## Part {i}\n\n```\n\n# code {i}\n```\n\n" for i in range(30_000))
    document = read(".md", text)
    assert len(document.blocks) == 60_000
    assert (document.blocks[-1].text, document.blocks[-1].location) == ("# code 29999", f"line {30_000 * 7 - 3}")
