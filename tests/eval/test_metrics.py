"""Exact match, F1, containment and conflict rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.answers import contains_answer, exact_match, f1, normalize
from rag.core.scripts import IS_UNSPACED

# Hand-worked: prediction, answers, exact match, F1.
CASES: list[tuple[str, list[str], float, float]] = [
    ("Paris", ["Paris"], 1, 1),
    ("paris", ["PARIS"], 1, 1),
    ("Paris.", ["Paris"], 1, 1),
    ("  Paris\n", ["Paris"], 1, 1),
    ("the Eiffel Tower", ["Eiffel Tower"], 1, 1),
    ("An apple a day", ["apple day"], 1, 1),
    ("theatre", ["atre"], 0, 0),
    ("Athens", ["thens"], 0, 0),
    ("Paris, France", ["Paris"], 0, 2 / 3),
    ("Paris", ["Paris, France"], 0, 2 / 3),
    ("big black cat", ["black cat", "dog"], 0, 0.8),
    ("cat black", ["black cat"], 0, 1),
    ("cat", ["dog"], 0, 0),
    ("cat", ["dog", "cat"], 1, 1),
    ("cat", [], 0, 0),
    ("", [], 1, 1),
    ("the", [], 1, 1),
    ("...", [], 1, 1),
    ("", ["cat"], 0, 0),
    ("the", ["cat"], 0, 0),
    ("", ["", "cat"], 0, 0),
    ("", [""], 1, 1),
    ("cat", [""], 0, 0),
    ("the", ["a"], 1, 1),
    ("cat", ["the", "cat"], 1, 1),
    ("twenty-one", ["twenty one"], 0, 0),
    ("twenty-one", ["twentyone"], 1, 1),
    ("U.S.", ["US"], 1, 1),
    ("U. S.", ["US"], 0, 0),
    ("1,000", ["1000"], 1, 1),
    ("$5", ["5"], 1, 1),
    ("5%", ["5 percent"], 0, 2 / 3),
    ("Obama's", ["Obamas"], 1, 1),
    ("a b b c", ["b b"], 0, 0.8),
    ("b", ["b b"], 0, 2 / 3),
    ("b b b b", ["b b"], 0, 2 / 3),
    ("rock 'n' roll", ["rock n roll"], 1, 1),
    ("Beyonc\u00e9", ["Beyonce"], 0, 0),
    ("\u201cHamlet\u201d", ["Hamlet"], 0, 0),
    ("S\u00e3o Paulo", ["s\u00e3o paulo"], 1, 1),
    ("the United States of America", ["United States", "America"], 0, 2 / 3),
    ("in\u00a01903", ["1903"], 0, 2 / 3),
    ("A.", ["a"], 1, 1),
    ("the the the", ["the"], 1, 1),
]


def test_there_are_forty_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("prediction", "answers", "em", "overlap"), CASES)
def test_hand_worked_cases(prediction: str, answers: list[str], em: float, overlap: float) -> None:
    assert exact_match(prediction, answers) == em
    assert f1(prediction, answers) == pytest.approx(overlap, abs=1e-12)


def _independent(prediction: str, answers: list[str]) -> tuple[float, float]:
    """SQuAD's scores by the implementation in transformers, with the official rule for answers."""
    metrics = pytest.importorskip("transformers.data.metrics.squad_metrics")
    golds = [answer for answer in answers if metrics.normalize_answer(answer)] or [""]
    em = max(metrics.compute_exact(gold, prediction) for gold in golds)
    return float(em), float(max(metrics.compute_f1(gold, prediction) for gold in golds))


@pytest.mark.parametrize(("prediction", "answers"), [case[:2] for case in CASES])
def test_cases_agree_with_an_independent_implementation(prediction: str, answers: list[str]) -> None:
    assert (exact_match(prediction, answers), f1(prediction, answers)) == _independent(prediction, answers)


def _has_blanks(text: str) -> bool:
    return IS_UNSPACED.search(text) is None


words = st.sampled_from(["the", "a", "cat", "Cat", "dog", "1903", ".", "-", "\u00e9", "An", ",", "b-c", " "])
# SQuAD's scores are those of languages with blanks between words.
texts = st.lists(words, max_size=6).map(" ".join) | st.text(max_size=12).filter(_has_blanks)


@given(texts, st.lists(texts, max_size=3))
def test_random_texts_agree_with_an_independent_implementation(prediction: str, answers: list[str]) -> None:
    assert (exact_match(prediction, answers), f1(prediction, answers)) == _independent(prediction, answers)


@given(texts)
def test_normalize_leaves_lower_case_and_single_blanks(text: str) -> None:
    once = normalize(text)
    assert once == " ".join(once.split())
    assert once == once.lower()


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("It was in Paris, France.", ["paris"], 1),
        ("scatter", ["cat"], 0),
        ("the cat sat", ["Cat"], 1),
        ("cat", ["the cat"], 1),
        ("in 1903 or 1904", ["1904", "x"], 1),
        ("in 19034", ["1903"], 0),
        ("New York City", ["York City"], 1),
        ("York New City", ["New York"], 0),
        ("anything", [""], 0),
        ("anything", ["the", "..."], 0),
        ("anything", [], 0),
        ("", [], 0),
        ("", ["cat"], 0),
        ("港口主任是李小龙，他的办公室在旧灯塔旁边。", ["李小龙"], 1),
        ("港口主任是李小龙", ["李龙"], 0),
        ("責任者は山田花子です。", ["山田花子"], 1),
        ("항구 책임자는 김민수이고", ["김민수"], 1),
        ("1952年建成", ["1952"], 1),
        ("1952年", ["52"], 0),
        ("ผู้จัดการคือสมชาย ใจดี", ["สมชาย ใจดี"], 1),
        ("مدير الميناء هو سامي الخوري؟", ["سامي الخوري"], 1),
        ("प्रबंधक राजेश शर्मा।", ["राजेश शर्मा"], 1),
        ("“Hamlet”", ["Hamlet"], 1),
    ],
)
def test_containment(prediction: str, answers: list[str], expected: float) -> None:
    assert contains_answer(prediction, answers) == expected


@pytest.mark.parametrize(
    ("prediction", "answers", "em", "overlap"),
    [
        # By hand: 3 signs in common of 4 and of 3.
        ("是李小龙。", ["李小龙"], 0, 2 * (3 / 4) * 1 / (3 / 4 + 1)),
        ("李小龙。", ["李小龙"], 1, 1),
        ("１９５２年", ["1952年"], 1, 1),
        ("王芳", ["李小龙"], 0, 0),
    ],
)
def test_scores_where_words_have_no_blanks(prediction: str, answers: list[str], em: float, overlap: float) -> None:
    assert exact_match(prediction, answers) == em
    assert f1(prediction, answers) == pytest.approx(overlap)
