"""Value and property: names in text, their spelling, their spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.names import MAX_WORDS, aliases, canonical, names_in, ngrams

TEXT = st.text(alphabet="aAbB cé.,'\u2019()-1\n", max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Éire's  Coast", "eire coast"),
        ("louis_xvi_of_france", "louis xvi of france"),
        ("J. R. R. Tolkien", "j r r tolkien"),
        ("…", ""),
    ],
)
def test_canonical_by_hand(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Leland, North Carolina", ("leland north carolina", "leland")),
        ("Mercury (planet)", ("mercury",)),
        ("The Old Mill", ("the old mill", "old mill")),
        ("The Who", ("the who",)),
        ("It", ()),
    ],
)
def test_aliases_by_hand(title: str, expected: tuple[str, ...]) -> None:
    assert aliases(title) == expected


def test_nested_names_are_found_with_their_spans() -> None:
    text = "She lived in New York City until 1999."
    spans = {span.name: text[span.start : span.end] for span in names_in(text)}
    assert spans == {
        "new": "New",
        "new york": "New York",
        "new york city": "New York City",
        "york": "York",
        "york city": "York City",
        "city": "City",
    }


def test_joiners_hold_a_name_together_but_never_end_it() -> None:
    names = {span.name for span in names_in("He studied at the University of the West Indies in Mona.")}
    assert {"university of the west indies", "west indies", "university"} <= names
    assert not any(name.endswith((" of", " the")) for name in names)


def test_a_sentence_ends_a_name() -> None:
    names = {span.name for span in names_in("He met Anna. Berta left.")}
    assert names == {"anna", "berta"}


def test_the_capital_of_a_sentence_start_counts_only_when_the_word_is_never_small() -> None:
    assert {span.name for span in names_in("Bridges burn. He builds bridges.")} == set()
    assert {span.name for span in names_in("Bridges burn.")} == {"bridges"}


@given(TEXT)
def test_spans_spell_their_names(text: str) -> None:
    for span in names_in(text):
        assert canonical(text[span.start : span.end]) == span.name


@given(TEXT)
def test_canonical_is_idempotent(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(TEXT)
def test_ngrams_are_every_run_of_words(text: str) -> None:
    words = canonical(text).split()
    expected = [
        " ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + MAX_WORDS, len(words)) + 1)
    ]
    assert list(ngrams(text)) == expected
