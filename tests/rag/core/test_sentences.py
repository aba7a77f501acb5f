"""Sentences in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.sentences import sentence_spans


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is 1.5 m long. Two! Three? Four", ["One is 1.5 m long.", "Two!", "Three?", "Four"]),
        ('He said "No." She left.', ['He said "No."', "She left."]),
        ("Dr. Oss met J. Smith in St. Ives. He left.", ["Dr. Oss met J. Smith in St. Ives.", "He left."]),
        ("See No. 5, e.g. Figs. 3 and 4.", ["See No. 5, e.g. Figs. 3 and 4."]),
        ("It rained (a lot). i.e. much.", ["It rained (a lot). i.e. much."]),
        ("Am 3. Oktober war es z.B. kalt. Dann nicht.", ["Am 3. Oktober war es z.B. kalt.", "Dann nicht."]),
        ("馆长是王芳。图书馆开放！是吗？是", ["馆长是王芳。", "图书馆开放！", "是吗？", "是"]),
        ("彼は「はい。」と言った。終わり。", ["彼は「はい。」", "と言った。", "終わり。"]),
        ("यह एक है। वह दो है।", ["यह एक है।", "वह दो है।"]),
        ("هل هو هنا؟ نعم.", ["هل هو هنا؟", "نعم."]),
        ("이것은 책이다. 저것은 배다.", ["이것은 책이다.", "저것은 배다."]),
        ("a heading\n\nA text", ["a heading", "A text"]),
        ("see www.x.org/a?b=1 or rag.core.words", ["see www.x.org/a?b=1 or rag.core.words"]),
        ("  \n ", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=200))
def test_nothing_but_blanks_lies_between_sentences(text: str) -> None:
    end = 0
    for start, next_end in sentence_spans(text):
        assert start >= end
        assert not text[end:start].strip()
        assert text[start:next_end] == text[start:next_end].strip() != ""
        end = next_end
    assert not text[end:].strip()
