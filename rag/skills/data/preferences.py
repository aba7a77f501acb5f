"""Preferences: a prompt, the reply that is right, and one that is wrong.

The best wrong reply is the one that the reader gives itself: that is what it has to unlearn. Where the reader is right,
some examples get a wrong reply that readers are known to give, so that what is right stays.

Source: Rafailov et al. 2023 (DPO), section 4, pairs from the model that is trained; Zhang et al. 2024 (KnowPO), wrong
use of the context as the rejected side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kg.names import canonical
from rag.conflicts.reading.spans import find_spans, split_sentences
from rag.core.passages import Passage
from rag.core.replies import first_line, is_refusal
from rag.core.verdict import NOT_STATED
from rag.skills.data.examples import Example, ExampleKind
from rag.skills.words import contains


@dataclass(frozen=True)
class Preference:
    """One thing to prefer.

    Attributes:
        kind: of the example that it was made of.
        question, passages: what stands in the prompt.
        chosen: the reply that is right.
        rejected: one that is wrong.
    """

    kind: ExampleKind
    question: str
    passages: tuple[Passage, ...]
    chosen: str
    rejected: str


def make_preferences(
    examples: Sequence[Example], replies: Sequence[str], share_right: float, seed: int
) -> Iterator[Preference]:
    """Preferences from what a reader replies; the same ones for the same replies and seed.

    Args:
        examples: what was asked.
        replies: what the reader said to each. A wrong one is rejected.
        share_right: share of the examples with a right reply that get a wrong one from :func:`invent_wrong`, 0 to 1.
    """
    rng = random.Random(seed)
    for example, reply in zip(examples, replies, strict=True):
        said = NOT_STATED if is_refusal(reply) else first_line(reply)
        if not said or is_right(example, said):
            said = invent_wrong(example, rng) if rng.random() < share_right else ""
        if said and canonical(said) != canonical(example.reply):
            yield Preference(example.kind, example.question, example.passages, example.reply, said)


def is_right(example: Example, reply: str) -> bool:
    """Whether a reply says what the example's does: its words, or that the documents do not say."""
    return is_refusal(reply) if example.reply == NOT_STATED else contains(reply, example.reply)


def invent_wrong(example: Example, rng: random.Random) -> str:
    """A wrong reply of the kind that readers give; empty where there is none.

    Where the passage answers: a refusal, or the answer that stood there before the passage was altered. Where it does
    not: a phrase of the passage that looks like an answer.
    """
    if example.reply != NOT_STATED:
        return example.original if example.original and rng.random() < 0.5 else NOT_STATED
    sentences = [sentence for passage in example.passages for sentence in split_sentences(passage.text)]
    spans = [span for sentence in sentences for span in find_spans(example.question, sentence)]
    likely = [span for span in spans if span.kind != "phrase"] or spans
    return rng.choice(likely).text if likely else ""
