"""Training patches on one device: documents per minute against the released procedure, and what the patches know."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.patching import (
    PADDED,
    Row,
    answers,
    one_by_one,
    other_of_kind,
    patch_document,
    prag_samples,
    read,
    score,
)
from benchmarks.progress import Progress
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.library.sqlite.patch_files import FolderPatchFiles
from rag.patches.base import PatchInfo, Tensors
from rag.patches.profiles import FAST, PRAG
from rag.patches.questions.source import build_source
from rag.patches.store.keys import patch_key
from rag.patches.store.patch_store import PatchStore
from rag.patches.training.trainer import Trainer
from rag.patches.training.writer import GradientWriter

# The base model's own answers to unrelated questions are asked for once.
_CACHE = Path(tempfile.gettempdir()) / "concord-unrelated"


def measure_patches(
    generator: TransformersGenerator,
    copies: Sequence[int],
    is_quick: bool,
    figures: dict[str, Any],
    progress: Progress,
) -> None:
    """Documents per minute of each way, and accuracy from the patch alone. Fills ``figures``.

    Args:
        copies: how often ``fast`` trains the documents at once; the first number is what the ratios compare.
    """
    rows = [row for row in read("patch_facts.jsonl") if row["split"] == "test"][:: 8 if is_quick else 1]
    slow = _slow_rates(generator, rows, is_quick)
    figures |= {f"{name}_docs_per_min": rate for name, rate in slow.items()}
    progress.say("  documents per minute: " + ", ".join(f"{name} {rate:.2f}" for name, rate in slow.items()))
    _train(generator, rows[:2])  # kernels are chosen and memory is taken
    fast: dict[str, float] = {}
    peaks: dict[str, float] = {}
    for number in copies:
        _reset_peak()
        started = time.perf_counter()
        tensors = _train(generator, list(rows) * number)
        size = str(len(tensors))
        fast[size] = 60 * len(tensors) / (time.perf_counter() - started)
        peaks[size] = _peak_mib()
        figures |= {"fast_docs_per_min": fast, "fast_peak_mib": peaks}
        progress.say(f"  fast, {size} documents: {fast[size]:.0f} a minute")
    first = fast[str(len(rows) * copies[0])]
    figures |= {
        "fast_over_released": first / slow["released"],
        "fast_over_trimmed": first / slow["trimmed"],
        "largest_fast_over_released": max(fast.values()) / slow["released"],
        "accuracy": _accuracy(generator, rows, tensors[: len(rows)]),
        "num_facts": sum(len(row["questions"]) for row in rows),
    }


def _slow_rates(generator: TransformersGenerator, rows: Sequence[Row], is_quick: bool) -> dict[str, float]:
    """The released procedure, the same trimmed, and the published one in the batched trainer."""
    samples = [prag_samples(row) for row in rows]
    one_by_one(generator, samples[:1], max_steps=1)
    steps, num_trimmed = (1, 1) if is_quick else (len(samples[0]), 8)
    if not is_quick:
        one_by_one(generator, samples[:1], pad_to=PADDED, max_steps=1)
    seconds = one_by_one(generator, samples[:1], pad_to=PADDED, max_steps=steps)
    trimmed = one_by_one(generator, samples[:num_trimmed])
    trainer = Trainer(generator, PRAG)
    list(trainer.train(samples[:1]))
    started = time.perf_counter()
    list(trainer.train(samples))
    batched = time.perf_counter() - started
    return {
        "released": 60 / (seconds / steps * len(samples[0])),
        "trimmed": 60 * num_trimmed / trimmed,
        "batched": 60 * len(samples) / batched,
    }


def _train(generator: TransformersGenerator, rows: Sequence[Row]) -> list[Tensors]:
    """The patches of ``rows`` with profile ``fast``: questions written, trained, saved; as a build does it."""
    documents = [patch_document(row) for row in rows]
    trained: dict[int, Tensors] = {}
    with tempfile.TemporaryDirectory() as folder:
        writer = GradientWriter(generator, FAST, build_source(FAST, generator, Path(folder)), _CACHE)
        store = PatchStore(FolderPatchFiles(Path(folder) / "patches"), 1e6, 0)
        for number, patch in writer.write(documents):
            if isinstance(patch, Exception):
                raise patch
            name = f"{documents[number].doc_id} {number}"
            key = patch_key(name, writer.base, writer.fingerprint)
            info = PatchInfo(
                key, name, name, name, writer.base, generator.name, FAST.name, writer.fingerprint, patch.num_samples
            )
            store.save(info, patch.tensors)
            trained[number] = patch.tensors
    return [trained[number] for number in range(len(rows))]


def _accuracy(generator: TransformersGenerator, rows: Sequence[Row], trained: Sequence[Tensors]) -> dict[str, float]:
    """Share of right answers without a patch, with the document's own, and with another document's."""
    patches = [Adapter.single(f"document-{number}", tensors) for number, tensors in enumerate(trained)]
    asked = [
        (question["question"], question["answer"], number)
        for number, row in enumerate(rows)
        for question in row["questions"]
    ]
    controls: dict[str, list[Adapter | None]] = {
        "base": [None for _ in asked],
        "right": [patches[number] for *_, number in asked],
        "swapped": [patches[other_of_kind(rows, number)] for *_, number in asked],
    }
    questions, expected = [question for question, *_ in asked], [answer for _, answer, _ in asked]
    return {name: score(answers(generator, questions, adapters), expected) for name, adapters in controls.items()}


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_mib() -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0
