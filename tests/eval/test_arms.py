"""Arms: who sees which passages, and what counts as right."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.datasets import load_dataset
from eval.datasets.schema import make_passage
from eval.metrics.answers import contains_answer
from eval.run.arms import ARM_NAMES, build_trials
from eval.types import Question
from rag.core.errors import SettingError


@pytest.fixture
def pairs(samples: Path) -> tuple[Question, ...]:
    return load_dataset("nq_synth", str(samples / "nq_synth.jsonl")).questions


def many(num: int) -> list[Question]:
    return [
        Question(
            f"q{n}", f"What is {n}?", (f"answer{n}",), (f"d{n}",), (make_passage("", f"It is answer{n}.", f"d{n}"),)
        )
        for n in range(num)
    ]


@pytest.mark.parametrize("arm", ["conflicting", "agreeing", "irrelevant", "memory", "oracle", "given", "retrieved"])
def test_every_arm_keeps_questions_and_order(pairs: tuple[Question, ...], arm: str) -> None:
    assert arm in ARM_NAMES
    trials = build_trials(pairs, arm)  # type: ignore[arg-type]
    assert [(t.question_id, t.question) for t in trials] == [(q.question_id, q.question) for q in pairs]


def test_conflicting_swaps_right_and_memory(pairs: tuple[Question, ...]) -> None:
    trial = build_trials(pairs, "conflicting")[0]
    assert trial.passages == pairs[0].counter_passages
    assert trial.references == trial.context_answers == ("Gregor Pell",)
    assert trial.memory_answers == ("Tilda Marsh", "T. Marsh")


def test_agreeing_counts_no_memory(pairs: tuple[Question, ...]) -> None:
    trial = build_trials(pairs, "agreeing")[0]
    assert (trial.passages, trial.references) == (pairs[0].passages, pairs[0].answers)
    assert (trial.context_answers, trial.memory_answers) == (pairs[0].answers, ())


def test_memory_has_no_passages_and_retrieved_leaves_them_open(pairs: tuple[Question, ...]) -> None:
    assert build_trials(pairs, "memory")[0].passages == ()
    assert build_trials(pairs, "retrieved")[0].passages is None


def test_oracle_keeps_the_gold_passages(samples: Path) -> None:
    questions = load_dataset("hotpotqa", str(samples / "hotpotqa.json")).questions
    trial = build_trials(questions, "oracle")[0]
    assert [passage.doc_id for passage in trial.passages or ()] == ["Brannick pump", "Una Brannick"]


@pytest.mark.parametrize("seed", range(5))
def test_irrelevant_passages_are_anothers_and_hold_no_answer(seed: int) -> None:
    questions = many(30)
    trials = build_trials(questions, "irrelevant", seed)
    for question, trial in zip(questions, trials, strict=True):
        assert trial.passages
        assert trial.passages != question.passages
        assert not contains_answer(trial.passages[0].text, question.answers)
        assert trial.references == trial.memory_answers == question.answers
        assert contains_answer(trial.passages[0].text, trial.context_answers)
    assert len({trial.passages for trial in trials}) == 30  # every passage is used once when all fit


def test_irrelevant_depends_on_the_seed_alone() -> None:
    assert build_trials(many(30), "irrelevant", 1) == build_trials(many(30), "irrelevant", 1)
    assert build_trials(many(30), "irrelevant", 1) != build_trials(many(30), "irrelevant", 2)


def test_irrelevant_passes_over_donors_that_hold_the_answer() -> None:
    shared = make_passage("", "It is answer0 and answer1.", "both")
    questions = [*many(1), Question("q1", "?", ("answer1",), None, (shared,)), *many(3)[2:]]
    trials = build_trials(questions, "irrelevant")
    assert trials[0].passages == questions[2].passages


def test_lacking_fields_are_named() -> None:
    questions = [Question("q1", "?", ("a",)), Question("q2", "?", ("a",))]
    for arm, what in [("conflicting", "counter_passages"), ("given", "passages"), ("oracle", "gold_doc_ids")]:
        with pytest.raises(SettingError, match=rf"arm '{arm}' needs {what}.* 2 of 2 questions lack \(first: 'q1'\)"):
            build_trials(questions, arm)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="needs more than 1 questions"):
        build_trials(many(1), "irrelevant")
