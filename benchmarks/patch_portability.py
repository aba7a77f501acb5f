"""Patches of a base model on its successor: the same model with the reader that ships merged into its weights."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.patching import Row, answers, other_of_kind, score
from rag.generation.base import Adapter
from rag.generation.transformers.generator import TransformersGenerator
from rag.generation.transformers.merged import merge
from rag.skills.store import open_skill, read_tensors, shipped_folder

_READER = "reader-24df5af1"
Accuracy = dict[str, float]


def portability(
    generator: TransformersGenerator, rows: Sequence[Row], patches: Sequence[Adapter]
) -> dict[str, Accuracy | float]:
    """Accuracy on the base and on its successor, from the patch alone; ``kept`` is the one over the other.

    Args:
        generator: the base, with the model that ships: the reader was made for it.
        rows: invented documents with their questions.
        patches: of each document, made on the base.

    Source: PortLLM (Khan et al. 2024), whose patches are used on later versions of a base without training.
    """
    base = _accuracy(generator, rows, patches)
    successor = _accuracy(build_successor(generator), rows, patches)
    kept = successor["right"] / base["right"] if base["right"] else 0.0
    return {"base": base, "successor": successor, "kept": kept}


def build_successor(generator: TransformersGenerator) -> TransformersGenerator:
    """The model with the reader that ships added to its weights."""
    tensors, digest = read_tensors(open_skill(shipped_folder() / _READER))
    model = merge(generator.model, Adapter.single(digest[:32], tensors))
    return TransformersGenerator(model, generator.tokenizer, f"{generator.name}, fine-tuned", window=generator.window)


def _accuracy(generator: TransformersGenerator, rows: Sequence[Row], patches: Sequence[Adapter]) -> Accuracy:
    asked = [(q["question"], q["answer"], number) for number, row in enumerate(rows) for q in row["questions"]]
    questions, expected = [question for question, *_ in asked], [answer for _, answer, _ in asked]
    controls: dict[str, list[Adapter | None]] = {
        "without": [None for _ in asked],
        "right": [patches[number] for *_, number in asked],
        "swapped": [patches[other_of_kind(rows, number)] for *_, number in asked],
    }
    return {name: score(answers(generator, questions, adapters), expected) for name, adapters in controls.items()}
