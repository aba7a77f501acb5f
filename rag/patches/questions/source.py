"""Who writes the questions that a patch learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.generation.base import Generator
from rag.patches.base import PatchDocument, Sample
from rag.patches.profiles import Profile
from rag.patches.questions.coverage import write_coverage
from rag.patches.questions.model import ModelAugmenter
from rag.patches.questions.recital import write_recital
from rag.patches.questions.rules import write_rules


@dataclass(frozen=True)
class DocumentSamples:
    """The samples of one document, and the items that could not be written."""

    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()


SampleSource = Callable[[Sequence[PatchDocument]], list[DocumentSamples]]


def build_source(profile: Profile, generator: Generator, cache: Path, cache_salt: str = "") -> SampleSource:
    """The source that a profile names.

    Args:
        profile: ``rules`` or ``model``.
        generator: writes the samples of ``model``.
        cache: folder for what the model wrote.
        cache_salt: of the generator's requests.
    """

    def by_rules(documents: Sequence[PatchDocument]) -> list[DocumentSamples]:
        return [DocumentSamples(tuple(_write(document, profile))) for document in documents]

    def by_model(documents: Sequence[PatchDocument]) -> list[DocumentSamples]:
        samples, problems = ModelAugmenter(generator, cache, cache_salt).write(documents)
        texts: dict[str, list[str]] = {}
        for problem in problems:
            texts.setdefault(problem.doc_id, []).append(f"{problem.item}: {problem.reason}")
        return [
            DocumentSamples(tuple(written), tuple(texts.get(document.doc_id, ())))
            for document, written in zip(documents, samples, strict=True)
        ]

    return by_rules if profile.writer == "rules" else by_model


def _write(document: PatchDocument, profile: Profile) -> list[Sample]:
    """What the rules ask; about every phrase where the profile says so, or where the text has no name and no number."""
    if profile.style == "recite":
        return write_recital(document)
    if profile.num_wordings:
        return write_coverage(document, profile.max_questions, profile.num_wordings)
    return write_rules(document, profile.max_questions) or write_coverage(document, 0, 1)
