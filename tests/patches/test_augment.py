"""The model-written samples: what is accepted, the published order, and a model that manages nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import PatchDocument, Sample
from rag.patches.questions.model import NUM_QUESTIONS, ModelAugmenter, _question, _rewrite, build_five

PASSAGE = "The tide mill was built by Aron Pell in 1764. It belongs to Mira Tam."
DOCUMENT = PatchDocument("d", "The tide mill", PASSAGE, "hash", (PASSAGE,))


def test_the_published_order() -> None:
    pairs = [("q1?", "a1"), ("q2?", "a2"), ("q3?", "a3")]
    assert build_five("P", "R", pairs) == [
        Sample("q1?", "a1", "P"),
        Sample("q1?", "a1", "R"),
        Sample("q2?", "a2", "P"),
        Sample("q2?", "a2", "R"),
        Sample("q3?", "a3"),
    ]
    assert build_five("P", None, pairs[:1]) == [Sample("q1?", "a1", "P")]


def test_questions_are_checked() -> None:
    accept = _question(DOCUMENT, PASSAGE, "Mira Tam").accept
    assert accept("Question: Who owns the mill?\nAnswer: Mira Tam") == "Who owns the mill?"
    for text, reason in (
        ("The mill is old.", "no question of 3 to 30 words"),
        ("Why?", "no question of 3 to 30 words"),
        ("Does Mira Tam own it?", "gives its answer away"),
    ):
        with pytest.raises(ValueError, match=reason):
            accept(text)
    with pytest.raises(ValueError, match="too few names"):
        _question(DOCUMENT, PASSAGE, None).accept("Who owns the mill?")


def test_rewrites_are_checked() -> None:
    accept = _rewrite(DOCUMENT, PASSAGE).accept
    good = "Aron Pell built The tide mill in 1764; today it is Mira Tam's. It stands."
    assert accept(f" {good} ") == good
    for text, reason in (("A mill was built.", "names and numbers"), (PASSAGE, "the text itself")):
        with pytest.raises(ValueError, match=reason):
            accept(text)


def test_what_a_model_cannot_write_is_reported(tiny: TransformersGenerator, tmp_path: Path) -> None:
    """A random model: every item fails every time, each is named with the reason of its last failure."""
    samples, problems = ModelAugmenter(tiny, tmp_path).write([DOCUMENT])
    texts = [(sample.question, sample.answer, bool(sample.passage)) for sample in samples[0]]
    assert texts == [  # no rewrite; the deterministic writer's questions
        ("Who was the tide mill built by?", "Aron Pell", True),
        ("When was the tide mill built?", "1764", True),
        ("The tide mill belongs to what place?", "Mira Tam", False),
    ]
    assert len(problems) == 1 + NUM_QUESTIONS
    assert {problem.doc_id for problem in problems} == {"d"}
    assert all(problem.reason for problem in problems)
