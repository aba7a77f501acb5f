"""Text as it is kept."""

from __future__ import annotations

from base64 import b64encode, encodebytes

import pytest

from rag.ingest.blocks import Block, ParsedDocument
from rag.ingest.tidy import drop_encoded, tidy, tidy_text

PICTURE = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ﬁnal oﬀer, ﬄ", "The final offer, ffl"),
        ("break\u00adwater", "breakwater"),
        ("break\u00ad\n water", "breakwater"),
        ("run\u00a0by Ina", "run by Ina"),
        ("a\0b", "ab"),
        ("é\ud800", "é\ufffd"),
        ("e\u0301", "é"),
        ("\ufeffشَمْس می\u200cخواهم 👍🏽", "شَمْس می\u200cخواهم 👍🏽"),
    ],
)
def test_invisible_and_compatible_characters(text: str, expected: str) -> None:
    assert tidy_text(text) == expected


@pytest.mark.parametrize(
    "data",
    [
        f"data:image/png;base64,{b64encode(PICTURE).decode()}",
        encodebytes(PICTURE).decode(),
        PICTURE.hex(),
        b64encode(PICTURE).decode(),
    ],
)
def test_encoded_data_is_left_out_with_a_word(data: str) -> None:
    document = tidy(ParsedDocument((Block(f"Before the picture.\n\n{data}\n\nAfter the picture."),)))
    assert document.blocks[0].text.split() == ["Before", "the", "picture.", "After", "the", "picture."]
    assert "encoded data" in document.notes[0]
    assert tidy(ParsedDocument((Block(data),))).blocks == ()


@pytest.mark.parametrize(
    "text", ["港口主任" * 300, "word " * 300, "a-b_c " * 200, "https://example.org/" + "a/b?c=d&" * 40]
)
def test_text_without_blanks_is_no_data(text: str) -> None:
    assert drop_encoded(text) == (text, 0)
