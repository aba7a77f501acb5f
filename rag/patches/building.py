"""Making the missing patches of a library; what fails is reported, and the rest continues."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rag.core.encoding import Encoder
from rag.core.errors import ConcordError, PatchError
from rag.core.process.progress import Progress
from rag.library.base import Library
from rag.patches.base import BuildReport, FailedPatch, PatchDocument, PatchInfo, PatchWriter, WrittenPatch
from rag.patches.sentence_index import SentenceIndex, index_sentences
from rag.patches.store.keys import patch_key
from rag.patches.store.patch_store import PatchStore

_MIB = 2**20


@dataclass
class _Outcome:
    """What a build has done so far."""

    built: list[str] = field(default_factory=list)
    failed: list[FailedPatch] = field(default_factory=list)
    incomplete: list[FailedPatch] = field(default_factory=list)
    evicted: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Builder:
    """Builds into one store.

    Attributes:
        store: where the patches go.
        writer: makes them.
        encoder: of the sentences that they recite.
        profile: the name of the writer's settings.
        base_name: the base model, as the user named it.
        max_documents: most documents that are written together; ``None``: as many as memory takes.
    """

    store: PatchStore
    writer: PatchWriter
    encoder: Encoder
    profile: str
    base_name: str
    max_documents: int | None = None

    def build(
        self, documents: Sequence[PatchDocument], progress: Progress, companions: Collection[str] = ()
    ) -> BuildReport:
        """Make the patches that are missing, and save each as soon as it is written.

        A build never removes the patches of its own documents. It stops before the store is full of them: what cannot
        stay is not trained.

        Args:
            documents: what is to have a patch.
            progress: told of each document.
            companions: content hashes of documents that other processes build at this time; their patches stay too.
        """
        progress.start(len(documents))
        self.store.clean()
        base, writer = self.writer.base, self.writer.fingerprint
        by_key = {patch_key(document.content_hash, base, writer): document for document in documents}
        protected = {*by_key, *(patch_key(content_hash, base, writer) for content_hash in companions)}
        known = self.store.known(by_key)
        skipped = [key for key in by_key if key in known]
        missing = [key for key in by_key if key not in known]
        for key in skipped:
            progress.advance(by_key[key].doc_id)
        outcome = _Outcome()
        while missing and (num_free := self.store.num_that_fit(self.writer.patch_bytes, protected)):
            self._write({key: by_key[key] for key in missing[:num_free]}, base, protected, outcome, progress)
            missing = missing[num_free:]
        return BuildReport(
            tuple(outcome.built),
            tuple(by_key[key].doc_id for key in skipped),
            tuple(outcome.failed),
            tuple(outcome.incomplete),
            tuple(outcome.evicted),
            tuple(by_key[key].doc_id for key in missing),
            self._describe_limit(len(missing)) if missing else "",
        )

    def _write(
        self,
        documents: Mapping[str, PatchDocument],
        base: str,
        protected: Collection[str],
        outcome: _Outcome,
        progress: Progress,
    ) -> None:
        """Write the patches of documents, by key."""
        items = list(documents.items())
        for index, result in self.writer.write(list(documents.values()), self.max_documents):
            key, document = items[index]
            try:
                if isinstance(result, PatchError):
                    raise result
                info = self._describe(key, document, base, result)
                _, evicted = self.store.save(info, result.tensors, protected, self._index(document, result))
            except ConcordError as error:
                outcome.failed.append(FailedPatch(document.doc_id, str(error)))
            else:
                outcome.built.append(document.doc_id)
                outcome.evicted += evicted
                outcome.incomplete += [FailedPatch(document.doc_id, problem) for problem in result.problems]
            progress.advance(document.doc_id)

    def _index(self, document: PatchDocument, patch: WrittenPatch) -> SentenceIndex | None:
        return index_sentences(self.encoder, document.title, patch.sentences) if patch.sentences else None

    def _describe_limit(self, num_left_out: int) -> str:
        patch_mib = self.writer.patch_bytes / _MIB
        return (
            f"{num_left_out} documents got no patch: the store's limit of {self.store.max_bytes / _MIB:.1f} MiB is "
            f"full, and a patch takes {patch_mib:.1f} MiB; raise patch_store_mib, or build fewer documents"
        )

    def _describe(self, key: str, document: PatchDocument, base: str, patch: WrittenPatch) -> PatchInfo:
        return PatchInfo(
            key,
            document.doc_id,
            document.title,
            document.content_hash,
            base,
            self.base_name,
            self.profile,
            self.writer.fingerprint,
            patch.num_samples,
            num_answers=patch.num_answers,
            learnt=patch.learnt,
        )


def read_document(library: Library, doc_id: str, content_hash: str) -> PatchDocument:
    """A document of the library, its overlapping passages joined."""
    passages = library.document_passages(doc_id)
    title = passages[0].title if passages else ""
    text, end = "", 0
    for passage in passages:
        text += passage.text[max(0, end - passage.start) :] if passage.start < end else f"\n{passage.text}"
        end = max(end, passage.start + len(passage.text))
    return PatchDocument(doc_id, title, text, content_hash, tuple(passage.text for passage in passages))
