"""Memory: what the model answers without documents, and signs of whether it knows.

The question is asked in four wordings, all short prompts of one batch. The first is the product's own prompt without
passages, so its row is shared with the parametric stream of the joint answer. What the answers have in common, and how
sure the model is of their tokens, become a few numbers; :mod:`rag.conflicts.memory.calibration`
turns them into ``knows``.

Source: agreement of samples after semantic entropy (Farquhar et al. 2024); features ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations

from kg.names import canonical
from kg.stems import stems
from rag.core.answer import Step
from rag.core.prompts import build_prompts
from rag.core.query import Message, Sampling
from rag.core.replies import first_line
from rag.generation.base import Generation, Generator
from rag.generation.request import Request

MAX_TOKENS = 16
_NUM_FIRST = 3
_EXAMPLES = (
    "Question: Which animal is the largest?\nAnswer: the blue whale\n\n"
    "Question: In which year did Elizabeth II become queen?\nAnswer: 1952\n\n"
)
# Greedy by value. Drawing from one token, an engine reports the trace of each step that it would skip for greedy
# requests of a single stream.
_SAMPLING = Sampling(max_tokens=MAX_TOKENS, temperature=1.0, sample_top_k=1)


@dataclass(frozen=True)
class Signs:
    """What tells that a model knows. Each is a number, for a logistic fit.

    Attributes:
        mean_logprob: mean log probability of the answer's tokens, nats.
        min_logprob: the smallest one.
        first_entropy: mean entropy of the first three tokens, nats.
        agreement: mean agreement of the other wordings' answers with this one, 0 to 1.
        consensus: mean agreement of all pairs of answers, 0 to 1.
        others_logprob: mean log probability of the other wordings' answers.
        num_tokens: logarithm of the answer's length in tokens.
        is_number: 1 if the answer holds a digit: figures are guessed more often than names.
        echo: share of the answer's content words that the question holds.
    """

    mean_logprob: float
    min_logprob: float
    first_entropy: float
    agreement: float
    consensus: float
    others_logprob: float
    num_tokens: float
    is_number: float
    echo: float

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers, in the order of :data:`SIGN_NAMES`."""
        return astuple(self)


SIGN_NAMES = tuple(field.name for field in fields(Signs))


@dataclass(frozen=True)
class Recall:
    """What the model recalls.

    Attributes:
        answer: the greedy answer to the product's own prompt; empty if it declined.
        signs: of its knowing; ``None`` where the engine tells no probabilities.
        others: the answers to the other wordings.
        is_echo: the answer is the question again, without anything new.
    """

    answer: str
    signs: Signs | None
    others: tuple[str, ...]
    is_echo: bool = False


def memory_prompts(question: str) -> tuple[tuple[Message, ...], ...]:
    """The conversations that ask for memory: the product's prompt without passages, then three other wordings."""
    texts = (
        f"{question}\nGive only the answer, as short as possible.",
        f"{_EXAMPLES}Question: {question}\nAnswer:",
        f"Here is a quiz question. Reply with the answer and nothing else.\n{question}",
    )
    return (build_prompts(question, ()).parametric, *((Message("user", text),) for text in texts))


def memory_requests(generator: Generator, question: str, *, cache_salt: str = "") -> list[Request]:
    """The requests whose generations :func:`read_memory` takes, in this order."""
    sampling = Sampling(
        max_tokens=_SAMPLING.max_tokens,
        temperature=_SAMPLING.temperature,
        sample_top_k=_SAMPLING.sample_top_k,
        stop=generator.default_stop,
    )
    return [
        Request.single(generator.encode(messages), sampling, cache_salt=cache_salt)
        for messages in memory_prompts(question)
    ]


def read_memory(question: str, generations: Sequence[Generation]) -> Recall:
    """What the model recalls, from the generations of :func:`memory_requests`."""
    first = generations[0]
    answers = [_whole_words(generation) for generation in generations]
    logprobs = [_logprobs(generation.steps) for generation in generations]
    if not all(logprobs):
        return Recall(answers[0], None, tuple(answers[1:]))
    words = [answer_words(question, answer) for answer in answers]
    entropies = [step.context_entropy for step in first.steps[:_NUM_FIRST] if step.context_entropy is not None]
    asked = set(stems(question))
    content = stems(answers[0])
    signs = Signs(
        mean_logprob=_mean(logprobs[0]),
        min_logprob=min(logprobs[0]),
        first_entropy=_mean(entropies),
        agreement=_mean([_agreement(words[0], other) for other in words[1:]]),
        consensus=_mean([_agreement(one, other) for one, other in combinations(words, 2)]),
        others_logprob=_mean([_mean(row) for row in logprobs[1:]]),
        num_tokens=math.log1p(len(first.token_ids)),
        is_number=float(any(char.isdigit() for char in answers[0])),
        echo=sum(word in asked for word in content) / len(content) if content else 1.0,
    )
    is_echo = set(content) <= asked and len(set(content)) > len(asked) / 2
    return Recall(answers[0], signs, tuple(answers[1:]), is_echo)


def _whole_words(generation: Generation) -> str:
    """The first line; a number at its end that the limit of tokens may have cut ("was 20" of 2014) is left out."""
    answer = first_line(generation.text)
    is_cut = generation.finish_reason == "length" and "\n" not in generation.text.strip()
    return answer.rpartition(" ")[0] if is_cut and answer[-1:].isdigit() else answer


def answer_words(question: str, answer: str) -> frozenset[str]:
    """The words in which an answer goes beyond its question; all of its words if it does not."""
    words = set(canonical(answer).split())
    return frozenset(set(stems(answer)) - set(stems(question)) or words)


def _agreement(one: frozenset[str], other: frozenset[str]) -> float:
    """Common words as a share of the shorter answer's, 0 to 1; 0 if one is empty."""
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0


def _logprobs(steps: Sequence[Step]) -> list[float]:
    """Log probability of each token, the end-of-text token included; empty if the engine told none."""
    values = [step.context_logprob for step in steps]
    return [value for value in values if value is not None] if None not in values else []


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
