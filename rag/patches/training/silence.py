"""What a patch must leave alone: unrelated questions and other texts in the prompt, with the base model's answers.

The base answers them once. Every patch learns a part of them beside its document (self-distillation), so a patch that
is forced on a foreign question says what its base would have said.

Source: the principle is that of learning without forgetting (Li and Hoiem 2016) with the model's own greedy answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rag.core.passages import Passage
from rag.core.process.files import write_atomically
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.generation.base import Generator, Request
from rag.patches.base import Sample
from rag.patches.training.unrelated import QUESTIONS, TEXTS

_MAX_TOKENS = 16


def answer_unrelated(generator: Generator, cache: Path | None, base: str) -> list[Sample]:
    """The unrelated questions with the base model's own answers; after each four of them one about a text.

    Args:
        generator: answers them, greedily and without patches.
        cache: folder of earlier answers; ``None`` stores none.
        base: fingerprint of the model.
    """
    asked = [Sample(question, "") for question in QUESTIONS]
    about = [Sample(question, "", text, title) for title, text, question in TEXTS]
    asked = mix(asked, about, len(asked) // len(about))
    file = cache / f"unrelated-{base}.json" if cache else None
    stored = _load(file) if file else []
    if [(sample.question, sample.passage) for sample in stored] == [(s.question, s.passage) for s in asked]:
        return stored
    answered = _answer(generator, asked)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps([asdict(sample) for sample in answered]).encode())
    return answered


def mix(samples: Sequence[Sample], unrelated: Sequence[Sample], every: int) -> list[Sample]:
    """The samples with an unrelated one after each ``every`` of them, taken in turn; 0 adds none."""
    mixed: list[Sample] = []
    if not every or not unrelated:
        return list(samples)
    for place, sample in enumerate(samples):
        mixed.append(sample)
        if place % every == every - 1:
            mixed.append(unrelated[(place // every) % len(unrelated)])
    return mixed


def _answer(generator: Generator, asked: Sequence[Sample]) -> list[Sample]:
    requests = []
    for sample in asked:
        passages = [Passage("", "", "", sample.title, sample.passage)] if sample.passage else []
        ids = generator.encode(build_prompts(sample.question, passages).context)
        requests.append(Request.single(ids, Sampling(max_tokens=_MAX_TOKENS)))
    return [
        Sample(sample.question, generation.text, sample.passage, sample.title, generation.finish_reason == "stop")
        for sample, generation in zip(asked, generator.generate(requests), strict=True)
    ]


def _load(file: Path) -> list[Sample]:
    try:
        return [Sample(**row) for row in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []  # not there, or of another version: it is only a cache
