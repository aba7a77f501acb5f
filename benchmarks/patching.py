"""What the patch benchmarks share: the invented facts, the released procedure, and answers from a patch alone."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from eval.metrics.answers import contains_answer
from rag.core.passages import Passage
from rag.core.prompts import build_prompts
from rag.core.query import Sampling
from rag.generation.base import Adapter, Request
from rag.generation.transformers.generator import TransformersGenerator
from rag.patches.base import PatchDocument, Sample
from rag.patches.profiles import PRAG
from rag.patches.questions.model import build_five
from rag.patches.questions.rules import write_rules
from rag.patches.training.samples import tokenize_sample
from rag.patches.training.twin import frozen_twin

PADDED = 3000
MAX_TOKENS = 16
Row = dict[str, Any]
_DATA = Path(__file__).resolve().parent / "data"


def read(name: str) -> list[Row]:
    """The rows of a file in ``data``."""
    return [json.loads(line) for line in (_DATA / name).read_text(encoding="utf-8").splitlines()]


def patch_document(row: Row) -> PatchDocument:
    """A row as the writers take it."""
    return PatchDocument(row["title"], row["title"], row["text"], "")


def other_of_kind(rows: Sequence[Row], number: int) -> int:
    """Another document of the same kind where there is one: its answers have the same form."""
    others: list[int] = [*range(number + 1, len(rows)), *range(number)]
    of_kind = [other for other in others if rows[other]["kind"] == rows[number]["kind"]]
    return (of_kind or others)[0]


def prag_samples(row: Row) -> list[Sample]:
    """Five samples in the published order. For timing alone: the passage stands in for a rewrite of its length."""
    pairs = [(sample.question, sample.answer) for sample in write_rules(patch_document(row), 1)]
    return build_five(row["text"], f"{row['text']} ", pairs[:3])


def one_by_one(
    generator: TransformersGenerator,
    documents: Sequence[Sequence[Sample]],
    pad_to: int = 0,
    max_steps: int | None = None,
) -> float:
    """Seconds of the released procedure, re-written: per document a fresh adapter, one sample a step, AdamW."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=PRAG.rank, lora_alpha=int(PRAG.alpha), target_modules=list(PRAG.targets), lora_dropout=0.0)
    model = get_peft_model(frozen_twin(generator.model), config).train()
    device = generator.model.device
    started = time.perf_counter()
    for samples in documents:
        model.delete_adapter("default")
        model.add_adapter("default", config)
        model.set_adapter("default")
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(parameters, lr=PRAG.learning_rate)
        for sample in samples[:max_steps]:
            ids = list(tokenize_sample(generator, sample, PRAG).ids)
            padding = max(0, pad_to - len(ids))
            batch = torch.tensor([ids + [0] * padding], device=device)
            mask = torch.tensor([[1] * len(ids) + [0] * padding], device=device)
            optimizer.zero_grad()
            model(input_ids=batch, attention_mask=mask, labels=batch.masked_fill(mask == 0, -100)).loss.backward()
            optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def answers(
    generator: TransformersGenerator,
    questions: Sequence[str],
    adapters: Sequence[Adapter | None],
    texts: Sequence[tuple[str, str]] | None = None,
) -> list[str]:
    """Greedy answers, each with its adapter or with none; without passages, or each under a text and its title."""
    passages = [[Passage("", "", "", *text)] for text in texts] if texts else [[] for _ in questions]
    ids = [generator.encode(build_prompts(*item).context) for item in zip(questions, passages, strict=True)]
    requests = [
        Request.single(prompt, Sampling(max_tokens=MAX_TOKENS), adapter=adapter)
        for prompt, adapter in zip(ids, adapters, strict=True)
    ]
    return [generation.text for generation in generator.generate(requests)]


def score(texts: Iterable[str], expected: Iterable[str]) -> float:
    """Share of answers that contain the expected one."""
    return statistics.fmean(contains_answer(text, [answer]) for text, answer in zip(texts, expected, strict=True))
