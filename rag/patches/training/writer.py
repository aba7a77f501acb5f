"""The gradient writer: questions from the text, then training on their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.core.errors import PatchError
from rag.generation.transformers.generator import TransformersGenerator
from rag.models.fingerprint import model_fingerprint
from rag.patches.base import PatchDocument, WrittenPatch
from rag.patches.profiles import Profile
from rag.patches.questions.source import SampleSource
from rag.patches.training.trainer import Trainer


class GradientWriter:
    """Trains patches for a generator's model; contract of :class:`rag.patches.base.PatchWriter`.

    Args:
        generator: the patches are for its model and its prompts.
        profile: how to train.
        source: writes the questions.
    """

    def __init__(self, generator: TransformersGenerator, profile: Profile, source: SampleSource) -> None:
        self._generator = generator
        self._profile = profile
        self._source = source
        self._trainer = Trainer(generator, profile)

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
        return self._trainer.patch_bytes

    def write(
        self, documents: Sequence[PatchDocument], max_documents: int | None = None
    ) -> Iterator[tuple[int, WrittenPatch | PatchError]]:
        """Patches by document index: first the errors of documents without questions, then each group's as it ends."""
        learnt = self._source(documents)
        for index, item in enumerate(learnt):
            if not item.samples:
                yield index, PatchError("too short, too plain or not English enough to make a question from")
        trainable = [index for index, item in enumerate(learnt) if item.samples]
        for place, result in self._trainer.train([learnt[index].samples for index in trainable], max_documents):
            item = learnt[trainable[place]]
            if not isinstance(result, PatchError):
                yield trainable[place], WrittenPatch(result, len(item.samples), item.problems)
            else:
                yield trainable[place], result
