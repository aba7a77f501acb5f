"""The signs of memory, from hand-made generations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from rag.conflicts.memory.recall import SIGN_NAMES, Signs, first_line, memory_prompts, memory_requests, read_memory
from rag.core.answer import Step
from rag.core.prompts import build_prompts
from rag.generation.base import Generation
from rag.generation.transformers.generator import TransformersGenerator
from tests.generation.conftest import tiny_model, tiny_tokenizer

QUESTION = "What is the capital of France?"


def generation(text: str, *logprobs: float, entropy: float = 0.5) -> Generation:
    blank = Step("t", 1, 0.0, None, 1.0, 1.0, "a", "b", -1.0, -2.0, 1.0, 0.0)
    steps = tuple(replace(blank, context_logprob=value, context_entropy=entropy) for value in logprobs)
    return Generation(text, tuple(range(len(logprobs))), steps, "stop")


def read(*texts: str) -> Signs:
    signs = read_memory(QUESTION, [generation(text, -0.5, -1.5) for text in texts]).signs
    assert signs is not None
    return signs


def test_probabilities_are_of_the_first_wording() -> None:
    rest = [generation("Paris", -1.0), generation("Paris", -2.0), generation("Paris", -3.0)]
    recall = read_memory(QUESTION, [generation("Paris.", -0.1, -0.3, entropy=0.2), *rest])
    assert recall.answer == "Paris"
    assert recall.others == ("Paris", "Paris", "Paris")
    assert recall.signs is not None
    assert recall.signs.mean_logprob == pytest.approx(-0.2)
    assert recall.signs.min_logprob == -0.3
    assert recall.signs.first_entropy == pytest.approx(0.2)
    assert recall.signs.others_logprob == pytest.approx(-2.0)
    assert recall.signs.num_tokens == pytest.approx(math.log(3))


def test_the_words_of_the_question_are_no_agreement() -> None:
    assert read("The capital of France is Paris", "Paris", "It is Paris.", "Paris").agreement == 1
    assert read("The capital of France is Paris", "The capital of France is Lyon", "Nice", "Rome").agreement == 0


def test_agreement_is_with_the_first_answer_and_consensus_of_all() -> None:
    signs = read("Paris", "Lyon", "Lyon", "Lyon")
    assert signs.agreement == 0
    assert signs.consensus == pytest.approx(0.5)


def test_figures_and_echoes_are_told() -> None:
    assert read("in 1945", "a", "b", "c").is_number == 1
    assert read("France", "a", "b", "c").echo == 1
    assert read("Paris", "a", "b", "c").echo == 0


def test_a_number_that_the_limit_cut_is_left_out() -> None:
    cut = replace(generation("It was laid in 201", -0.1), finish_reason="length")
    whole = generation("It was laid in 2014", -0.1)
    assert read_memory(QUESTION, [cut, whole, whole, whole]).answer == "It was laid in"
    assert read_memory(QUESTION, [whole, cut, cut, cut]).answer == "It was laid in 2014"


@pytest.mark.parametrize(
    ("question", "answer", "is_echo"),
    [
        ("Who was the first president of France?", "The first president of France was", True),
        ("Who was the first president of France?", "The first president of France was Bonaparte", False),
        ("Is the Loire or the Seine longer?", "the Loire", False),
    ],
)
def test_the_question_again_is_an_echo(question: str, answer: str, is_echo: bool) -> None:
    assert read_memory(question, [generation(answer, -0.1)] * 4).is_echo is is_echo


def test_an_engine_without_probabilities_gives_no_signs() -> None:
    silent = [
        Generation("Paris", (5,), (Step("t", 5, 0.0, None, None, None, None, None, None, None, 1.0, 0.0),), "stop")
    ]
    assert read_memory(QUESTION, silent * 4).signs is None


def test_an_empty_answer_has_signs() -> None:
    signs = read("", "", "", "")
    assert (signs.agreement, signs.echo) == (0, 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [("\n Paris.\nQuestion: more", "Paris"), ("Answer: Paris", "Paris"), ("", ""), ("J. Smith", "J. Smith")],
)
def test_first_line(text: str, line: str) -> None:
    assert first_line(text) == line


def test_the_first_prompt_is_the_parametric_stream() -> None:
    prompts = memory_prompts(QUESTION)
    assert prompts[0] == build_prompts(QUESTION, ()).parametric
    assert len(set(prompts)) == 4
    assert all(QUESTION in prompt[-1].content for prompt in prompts)


def test_a_generator_answers_the_requests() -> None:
    tiny = TransformersGenerator(tiny_model("llama"), tiny_tokenizer(), "tiny")
    recall = read_memory("w5 w6", tiny.generate(memory_requests(tiny, "w5 w6")))
    assert recall.signs is not None
    assert recall.signs.mean_logprob < 0
    assert len(recall.signs.values) == len(SIGN_NAMES)
