"""Making the missing patches of a library; what fails is reported, and the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.core.errors import ConcordError, PatchError
from rag.core.progress import Progress
from rag.generation.base import Generator
from rag.library.base import Library
from rag.patches.base import BuildReport, FailedPatch, PatchDocument, PatchInfo, PatchWriter, Profile, Sample
from rag.patches.questions.model import ModelAugmenter
from rag.patches.questions.rules import write_rules
from rag.patches.store import PatchStore, patch_key


@dataclass(frozen=True)
class Builder:
    """One build into one store.

    Attributes:
        generator: writes the samples where the profile asks for that.
        base_name: the base model, as the user named it.
        jobs: most documents that train together; ``None``: as many as memory takes.
        cache_salt: of the generator's requests.
    """

    store: PatchStore
    writer: PatchWriter
    profile: Profile
    generator: Generator
    base_name: str
    jobs: int | None = None
    cache_salt: str = ""

    def build(self, documents: Sequence[PatchDocument], progress: Progress) -> BuildReport:
        """Make the patches that are missing, and keep each as soon as it is trained."""
        progress.start(len(documents))
        self.store.clean()
        skipped = [document.doc_id for document in documents if self._key(document) in self.store]
        for doc_id in skipped:
            progress.advance(doc_id)
        missing = [document for document in documents if document.doc_id not in skipped]
        samples, incomplete = self._samples(missing)
        able = [at for at, own in enumerate(samples) if own]
        failed = [
            FailedPatch(document.doc_id, "too short or too plain to make a question from")
            for document, own in zip(missing, samples, strict=True)
            if not own
        ]
        for item in failed:
            progress.advance(item.doc_id)
        built: list[str] = []
        for index, result in self.writer.write([samples[at] for at in able], self.jobs) if able else ():
            document = missing[able[index]]
            try:
                if isinstance(result, PatchError):
                    raise result
                self.store.save(self._info(document, len(samples[able[index]])), result)
                built.append(document.doc_id)
            except ConcordError as error:
                failed.append(FailedPatch(document.doc_id, str(error)))
            progress.advance(document.doc_id)
        return BuildReport(tuple(built), tuple(skipped), tuple(failed), tuple(incomplete))

    def _samples(self, documents: Sequence[PatchDocument]) -> tuple[list[list[Sample]], list[FailedPatch]]:
        if self.profile.writer == "rules":
            return [write_rules(document, self.profile.max_questions) for document in documents], []
        augmenter = ModelAugmenter(self.generator, self.store.folder / "samples", self.cache_salt)
        samples, problems = augmenter.write(documents)
        return samples, [FailedPatch(problem.doc_id, f"{problem.item}: {problem.reason}") for problem in problems]

    def _key(self, document: PatchDocument) -> str:
        return patch_key(document.content_hash, self.writer.base, self.writer.fingerprint)

    def _info(self, document: PatchDocument, num_samples: int) -> PatchInfo:
        return PatchInfo(
            self._key(document),
            document.doc_id,
            document.title,
            document.content_hash,
            self.writer.base,
            self.base_name,
            self.profile.name,
            self.writer.fingerprint,
            num_samples,
        )


def document_of(library: Library, doc_id: str, content_hash: str) -> PatchDocument:
    """A document of the library, its overlapping passages joined."""
    passages = library.document_passages(doc_id)
    title = passages[0].title if passages else ""
    text, end = "", 0
    for passage in passages:
        text += passage.text[max(0, end - passage.start) :] if passage.start < end else f"\n{passage.text}"
        end = max(end, passage.start + len(passage.text))
    return PatchDocument(doc_id, title, text, content_hash, tuple(passage.text for passage in passages))
