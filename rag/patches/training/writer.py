"""The gradient writer: questions from the text, then training on their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from rag.core.errors import PatchError
from rag.core.process.lazy import lazy_property
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.fingerprint import model_fingerprint
from rag.patches.base import PatchDocument, Sample, Tensors, WrittenPatch
from rag.patches.profiles import Profile
from rag.patches.questions.source import DocumentSamples, SampleSource
from rag.patches.training.quiet import quiet_start
from rag.patches.training.silence import answer_unrelated, mix
from rag.patches.training.trainer import Trained, Trainer


class GradientWriter:
    """Trains patches for a generator's model; contract of :class:`rag.patches.base.PatchWriter`.

    Args:
        generator: the patches are for its model and its prompts.
        profile: how to train.
        source: writes the questions.
        cache: folder for the base model's own answers; ``None`` asks it anew in each process.
    """

    def __init__(
        self, generator: TransformersGenerator, profile: Profile, source: SampleSource, cache: Path | None = None
    ) -> None:
        self._generator = generator
        self._profile = profile
        self._source = source
        self._cache = cache
        self._dtype = torch.float16 if profile.is_half else None

    @property
    def fingerprint(self) -> str:
        """Of the profile."""
        return self._profile.fingerprint()

    @property
    def base(self) -> str:
        """Fingerprint of the model."""
        return model_fingerprint(self._generator.model)

    @property
    def patch_bytes(self) -> int:
        """Bytes of one patch on disk, at most."""
        return self._trainer.patch_bytes(self._dtype)

    def write(
        self, documents: Sequence[PatchDocument], max_documents: int | None = None
    ) -> Iterator[tuple[int, WrittenPatch | PatchError]]:
        """Patches by document index: first the errors of documents without questions, then each group's as it ends."""
        items = self._source(documents)
        for index, item in enumerate(items):
            if not item.samples:
                yield index, PatchError("too short, too plain or not English enough to make a question from")
        trainable = [index for index, item in enumerate(items) if item.samples]
        mixed = [mix(items[index].samples, self._unrelated, self._profile.silence_every) for index in trainable]
        for place, result in self._trainer.train_probed(mixed, max_documents):
            index = trainable[place]
            yield index, result if isinstance(result, PatchError) else self._written(items[index], mixed[place], result)

    @lazy_property
    def _trainer(self) -> Trainer:
        initial = None
        if self._profile.quiet_share:
            file = self._cache / f"quiet-{self.base}-{self.fingerprint}.safetensors" if self._cache else None
            initial = quiet_start(self._generator, self._profile, self._unrelated, file)
        return Trainer(self._generator, self._profile, initial=initial, is_probed=True)

    @lazy_property
    def _unrelated(self) -> list[Sample]:
        """Unrelated questions with the base model's own answers; none where the profile has no use for them."""
        if not (self._profile.silence_every or self._profile.quiet_share):
            return []
        return answer_unrelated(self._generator, self._cache, self.base)

    def _written(self, item: DocumentSamples, mixed: Sequence[Sample], trained: Trained) -> WrittenPatch:
        asked, is_reciting = set(item.samples), self._profile.style == "recite"
        solved = [s for s, is_solved in zip(mixed, trained.is_solved, strict=True) if is_solved and s in asked]
        # The manifest names sentences by number: it holds no text of the document.
        learnt = tuple(dict.fromkeys(f"sentence {s.question}" if is_reciting else s.answer for s in solved))
        sentences = tuple(sample.answer for sample in item.samples) if is_reciting else ()
        tensors = _stored(trained.tensors, self._dtype)
        num_answers = len({sample.answer for sample in item.samples})
        return WrittenPatch(tensors, len(item.samples), item.problems, num_answers, learnt, sentences)


def _stored(tensors: Tensors, dtype: torch.dtype | None) -> Tensors:
    """The tensors in the precision that is stored; ``None`` leaves them as they are."""
    return {name: (a.to(dtype), b.to(dtype)) for name, (a, b) in tensors.items()} if dtype else tensors
