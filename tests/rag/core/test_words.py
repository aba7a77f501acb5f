"""Words for the sparse index: what is found must not depend on how a text is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.core.words import MAX_CHARS, fold, index_words, query_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Ferry's 2nd trip_log, 1,000 km", ["the", "ferry", "s", "2nd", "trip", "log", "1", "000", "km"]),
        ("The ﬁnal oﬀer", ["the", "final", "offer"]),
        ("break\u00adwater re\u00adin\u00adforced", ["breakwater", "reinforced"]),
        ("run\u00a0by\u202fIna", ["run", "by", "ina"]),
        ("ＡＢＣ１２３", ["abc123"]),
        ("Müller Straße ÅNGSTRÖM Čapek", ["muller", "strasse", "angstrom", "capek"]),
        ("İstanbul", ["istanbul"]),
        ("Αθήνα ΟΔΟΣ οδός", ["αθηνα", "οδοσ", "οδοσ"]),
        ("Ёлка ёлка", ["елка", "елка"]),
        ("شَمْس إلى", ["شمس", "الى"]),
        ("مـــدير", ["مدير"]),
        ("राजेश शर्मा हैं।", ["राजेश", "शर्मा", "हैं"]),
        ("٢٠٢٤ and २०२४", ["2024", "and", "2024"]),
        ("🚢 Tug 👍🏽", ["🚢", "tug", "👍"]),
    ],
)
def test_spaced_scripts(text: str, words: list[str]) -> None:
    assert index_words(text) == query_words(text) == words


@pytest.mark.parametrize(
    ("text", "indexed", "asked"),
    [
        ("馆长", ["馆", "馆长", "长"], ["馆长"]),
        ("港", ["港"], ["港"]),
        ("2024年 iPhone", ["2024", "年", "iphone"], ["2024", "年", "iphone"]),
        ("灯台の", ["灯", "灯台", "台", "台の", "の"], ["灯台", "台の"]),
        ("ﾄﾖﾀ", ["ト", "トヨ", "ヨ", "ヨタ", "タ"], ["トヨ", "ヨタ"]),
        ("등대", ["등", "등대", "대"], ["등대"]),
        # A vowel or tone mark is no character of its own.
        ("ที่นี่", ["ที่", "ที่นี่", "นี่"], ["ที่นี่"]),
        # The end of a line divides no word where there are no blanks.
        ("港口主\n任", ["港", "港口", "口", "口主", "主", "主任", "任"], ["港口", "口主", "主任"]),
    ],
)
def test_scripts_without_blanks(text: str, indexed: list[str], asked: list[str]) -> None:
    assert (index_words(text), query_words(text)) == (indexed, asked)


def test_a_word_hyphenated_at_the_end_of_a_line_is_found_whole_and_in_parts() -> None:
    words = index_words("a new founda-\ntion; a well-\r\n  known founder")
    assert {"foundation", "founda", "tion", "wellknown", "well", "known"} <= set(words)
    assert index_words("break\u00ad\nwater") == ["breakwater"]


def test_words_have_a_longest_length() -> None:
    assert [len(word) for word in index_words("x" * 5000 + " " + "é" * 5000)] == [MAX_CHARS, MAX_CHARS]


@given(st.text(max_size=80))
def test_what_is_asked_is_indexed(text: str) -> None:
    assert set(query_words(text)) <= set(index_words(text))
    assert all(word and not any(map(str.isspace, word)) for word in index_words(text))


@given(st.text(max_size=80))
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_ascii_words_are_runs_of_letters_and_digits(text: str) -> None:
    """English keeps the words that it always had, so its scores do not change."""
    import re

    plain = re.sub(r"-[ \t]*\r?\n", " ", text)
    assert index_words(plain) == re.findall(r"[^\W_]+", plain.lower())
