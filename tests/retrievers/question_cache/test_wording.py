"""Words alone: what is the same question, and above all what is not."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest

from kg.names import canonical
from retrievers.question_cache.wording import wording

SQUAD = Path(__file__).parents[4] / "shared" / "data" / "squad2" / "questions.jsonl"

BORN = "When was Edda Lindqvist born?"
SPAIN = "Who did Spain beat in the final?"


@pytest.mark.parametrize(
    ("new", "remembered"),
    [
        ("when was edda lindqvist born", BORN),
        ("Can you tell me when Édda Lindqvist was born?", "When Edda Lindqvist was born?"),
        ("I would like to know: when was Edda Lindqvist born?", BORN),
        ("Please find out when was Edda Lindqvist born.", BORN),
        ("edda lindqvist born", BORN),
        ("spain beat final", SPAIN),
        ("Do you know in which country the Rhine ends?", "In what country does the Rhine end?"),
        ("Which states don't sign?", "What states do not sign?"),
        ("berlin s population 1700", "What was Berlin's population in 1700?"),
    ],
)
def test_the_same_question(new: str, remembered: str) -> None:
    assert wording(new).has_same_words(wording(remembered))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BORN, "Where was Edda Lindqvist born?"),
        (BORN, "Why was Edda Lindqvist born?"),
        (BORN, "When was Edda Berg born?"),
        (BORN, "When did Edda Lindqvist die?"),
        (SPAIN, "Who beat Spain in the final?"),
        (SPAIN, "What did Spain beat in the final?"),
        ("Who rules the harbour?", "Who ruled the harbour first?"),
        ("Which states signed?", "Which states never signed?"),
        ("Which states can sign?", "Which states can't sign?"),
        ("How many mills burnt down?", "How did many mills burn down?"),
        ("Who was president before Adams?", "Who was president after Adams?"),
        ("What happened in 1801?", "What happened in 1805?"),
        ("Which trains go from Bern to Rome?", "Which trains go to Bern from Rome?"),
        ("us president 1990", "Who was the president in 1990?"),
        ("president 1990", "Who was the US president in 1990?"),
        ("Wann wurde Edda geboren?", "Wo wurde Edda geboren?"),
        ("Who is it?", "When is it?"),
        ("it", "Who is it?"),
        ("???", "!!!"),
    ],
)
def test_another_question(one: str, other: str) -> None:
    assert not wording(one).has_same_words(wording(other))
    assert not wording(other).has_same_words(wording(one))


def test_keywords_may_be_what_a_sentence_asks_and_not_the_other_way_round() -> None:
    keywords = wording("edda lindqvist born")
    assert keywords.is_keywords
    assert keywords.has_same_words(wording(BORN))
    assert not wording(BORN).has_same_words(keywords)
    assert not wording("edda lindqvist not born").has_same_words(wording(BORN))


@pytest.mark.parametrize(
    ("question", "modifiers"),
    [
        (BORN, {"when"}),
        ("Which of the two mills was not built before 1801?", {"what", "two", "not", "before", "1801"}),
        ("Wasn't she born there?", {"not"}),
        ("edda lindqvist born", set()),
    ],
)
def test_modifiers(question: str, modifiers: set[str]) -> None:
    assert wording(question).modifiers == modifiers


def test_a_yes_or_no_question_does_not_turn_as_another() -> None:
    assert not wording("Was Edda Lindqvist born?").may_ask_the_same(wording(BORN))
    assert wording("edda born").may_ask_the_same(wording(BORN))
    assert not wording("edda born 1801").may_ask_the_same(wording(BORN))


def test_a_frame_without_a_question_leaves_no_word() -> None:
    assert wording("Can you tell me, please?").words == ()


@pytest.mark.skipif(not SQUAD.is_file(), reason="needs squad2 in ../shared/data")
def test_no_question_of_squad2_is_taken_for_another() -> None:
    """Half of them were written to be mistaken for others: with a "not" more, another number, another name."""
    questions = [json.loads(line)["question"] for line in SQUAD.read_text(encoding="utf-8").splitlines()]
    groups: dict[tuple[str, ...], list[str]] = {}
    for question in {canonical(question): question for question in questions}.values():
        groups.setdefault(wording(question).content, []).append(question)
    pairs = [pair for group in groups.values() for pair in permutations(group, 2)]
    assert len(pairs) > 50
    assert [pair for pair in pairs if wording(pair[0]).has_same_words(wording(pair[1]))] == []
