"""Adding sources to a library: read, split, embed, stage; then publish everything at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from itertools import takewhile

from langchain_core.documents import Document

from rag.core.encoding import Vectors, passage_text
from rag.core.passages import Passage
from rag.core.process.progress import Progress
from rag.core.process.ray_workers import RayWorkers
from rag.core.reports import AddCost, AddReport, FailedSource
from rag.core.settings.config import Config
from rag.ingest.follow import Changes, LiveDocument, compare, is_below, is_file_gone
from rag.ingest.gather import Gathered, Item, gather
from rag.ingest.parsing.limits import Limits
from rag.ingest.parsing.parser import Parser
from rag.ingest.parts import PartStore, document_name
from rag.ingest.prepare import NUM_AHEAD, Encoded, Prepared, Preparer
from rag.ingest.ray_add import RayPreparer
from rag.ingest.source import Source, content_hash
from rag.ingest.splitter import DocumentSplitter
from rag.library.base import Library, Staged
from rag.library.encoder import CheckedEncoder
from rag.library.graph_index import EntryWriter

# Passages embedded and staged together: enough for full batches, few enough to lose in a kill.
_FLUSH_PASSAGES = 256
# Items gathered together. Those of a stream are gone, with their text, when the next come.
_CHUNK_ITEMS = 500


@dataclass(frozen=True)
class _Pending:
    """A document that waits for its vectors."""

    doc_id: str
    source: str
    content_hash: str
    passages: list[Passage]

    def staged(self, vectors: Vectors, entries: Sequence[bytes], entry_version: str) -> Staged:
        """With its vectors and its entries in the graph's index, one per passage."""
        size = sum(len(passage.text) for passage in self.passages)
        first = self.passages[0]
        return Staged(
            self.doc_id,
            self.source,
            first.title,
            self.content_hash,
            size,
            self.passages,
            vectors,
            first.date,
            entries,
            entry_version,
        )


class Ingestor:
    """One ``add`` into one library, in memory that is bounded by its longest document."""

    def __init__(
        self,
        library: Library,
        encoder: CheckedEncoder,
        config: Config,
        progress: Progress,
        *,
        entry_writer: EntryWriter,
        folders: Sequence[str] | None = None,
        sync: bool = False,
        workers: Callable[[], AbstractContextManager[RayWorkers]] | None = None,
    ) -> None:
        self._workers = workers
        self._library = library
        self._encoder = encoder
        self._config = config
        self._splitter = DocumentSplitter(encoder, config)
        self._progress = progress
        self._entry_writer = entry_writer
        self._has_paths = folders is None
        self._folders = list(folders or ())
        self._is_syncing = sync
        self._pending: dict[str, _Pending] = {}  # by doc_id
        self._live: dict[str, str] = {}  # content hashes by doc_id
        self._staged: dict[str, str] = {}
        # By source, so that one that comes twice is reported once: as what it was the last time.
        self._outcomes: dict[str, str] = {}
        self._failed: list[FailedSource] = []
        self._skipped: list[str] = []
        self._left_out: list[FailedSource] = []
        self._read: dict[str, str] = {}  # content hashes of what was read, by source
        self._changes = Changes()
        self._doc_ids: dict[str, None] = {}
        self._num_sources = 0
        self._num_embedded = 0
        self._embed_seconds = 0.0
        self._is_prepared = False
        self._resumed: set[str] = set()

    def add(self, items: Iterable[Item]) -> AddReport:
        """See :meth:`rag.engine.Engine.add`."""
        started = time.perf_counter()
        with self._library.writing(), PartStore() as parts, ExitStack() as stack:
            self._library.check_encoder(self._encoder.name)
            if self._library.hashes(is_live=False):
                self._prepare()  # drops what another model embedded
            self._live, self._staged = self._library.hashes(is_live=True), self._library.hashes(is_live=False)
            self._resumed = set(self._staged)
            num_before = self._library.num_passages
            preparer = self._preparer(stack)
            for chunk in _chunks(items):
                self._add_chunk(gather(chunk), preparer, parts)
            self._flush()
            self._changes = self._compare()
            if self._doc_ids:
                self._library.publish(list(self._doc_ids), self._encoder.name)
            elif self._num_embedded:  # parts of documents that turned out to be unchanged as a whole
                self._library.discard_staged()
            # After the publication: a kill between the two leaves a document twice, never none.
            formers = [pair.former for pair in self._changes.moved]
            self._remove([*formers, *(self._changes.gone if self._is_syncing else ())])
        return self._report(num_before, time.perf_counter() - started)

    def _preparer(self, stack: ExitStack) -> Preparer | RayPreparer:
        """What reads sources, here or on workers; it ends with the stack."""
        if self._workers is not None:
            self._prepare()  # the workers compare their encoder with the library's
            workers = stack.enter_context(self._workers())
            return RayPreparer(workers, self._content_hash, self._is_known)
        config = self._config
        limits = Limits(config.parse_timeout_s, config.parse_memory_mib, config.parse_expansion_mib)
        parser = stack.enter_context(Parser(limits))
        # Uploads are read one by one: their job notes which of them it is at.
        return Preparer(parser, self._content_hash, self._is_known, NUM_AHEAD if self._has_paths else 0)

    def _add_chunk(self, gathered: Gathered, preparer: Preparer | RayPreparer, parts: PartStore) -> None:
        self._num_sources += len(gathered.sources)
        self._progress.start(self._num_sources)
        self._failed += gathered.failed
        self._skipped += gathered.skipped
        self._left_out += gathered.left_out
        self._folders += gathered.folders
        whole = (parts.complete(source) if source.parts else source for source in gathered.sources)
        with closing(preparer.prepare(whole)) as stream:
            for prepared in stream:
                self._take(prepared)
                self._progress.advance(prepared.source.name)

    def _prepare(self) -> None:
        """Compare the encoder with that of the vectors that are there; once, and not before one is needed."""
        if not self._is_prepared:
            self._encoder.prepare_to_add()
            self._is_prepared = True

    def _is_known(self, doc_id: str, key: str) -> bool:
        return key in (self._live.get(doc_id), self._staged.get(doc_id))

    def _take(self, prepared: Prepared) -> None:
        """Embed a source that is new or has changed, unless an interrupted add has done so."""
        source, doc_id = prepared.source, prepared.source.doc_id
        if prepared.reason:
            self._failed.append(FailedSource(source.name, prepared.reason))
            return
        self._read[source.name] = prepared.key
        if self._live.get(doc_id) == prepared.key:
            self._outcomes[source.name] = "unchanged"
            self._doc_ids.pop(doc_id, None)
            return
        if prepared.document is not None:
            self._queue(source, self._splitter.split(source, prepared.document), prepared.key)
            self._resumed.discard(doc_id)
            self._staged[doc_id] = prepared.key
        if prepared.encoded is not None:
            self._splitter.note(source, prepared.encoded.notes, prepared.encoded.passages)
            self._stage(source, prepared.encoded, prepared.key)
            self._resumed.discard(doc_id)
            self._staged[doc_id] = prepared.key
        self._outcomes[source.name] = "replaced" if doc_id in self._live else "added"
        self._doc_ids[doc_id] = None

    def _compare(self) -> Changes:
        before = [
            LiveDocument(document.source, self._live[document.doc_id])
            for document in self._library.documents()
            if document.doc_id in self._live
        ]
        named = self._read.keys() | {failed.source for failed in self._failed}
        is_gone = is_file_gone if self._has_paths else lambda source: is_below(source, self._folders)
        return compare(before, self._read, named, self._folders, is_gone)

    def _remove(self, sources: Sequence[str]) -> None:
        if sources:
            ids = {document.source: document.doc_id for document in self._library.documents()}
            self._library.remove([ids[source] for source in sources])

    def _report(self, num_before: int, seconds: float) -> AddReport:
        num_passages = self._library.num_passages
        moved = {pair.source for pair in self._changes.moved}
        cost = AddCost(
            seconds,
            self._num_embedded,
            len(self._resumed & self._doc_ids.keys()),
            self._library.size_bytes / max(num_passages, 1),
            self._embed_seconds,
        )
        return AddReport(
            added=tuple(name for name in self._names("added") if name not in moved),
            replaced=self._names("replaced"),
            unchanged=self._names("unchanged"),
            failed=tuple(self._failed),
            skipped=tuple(self._skipped),
            left_out=tuple(self._left_out),
            moved=self._changes.moved,
            copies=self._changes.copies,
            gone=() if self._is_syncing else self._changes.gone,
            removed=self._changes.gone if self._is_syncing else (),
            notes=self._splitter.notes,
            num_passages=num_passages,
            num_new_passages=num_passages - num_before,
            cost=cost,
        )

    def _names(self, outcome: str) -> tuple[str, ...]:
        return tuple(name for name, reached in self._outcomes.items() if reached == outcome)

    def _content_hash(self, content: bytes, source: Source) -> str:
        return content_hash(content, source, self._splitter.settings, self._encoder.name)

    def _stage(self, source: Source, encoded: Encoded, key: str) -> None:
        """Stage what a worker made, at once: it took long."""
        pending = _Pending(source.doc_id, source.name, key, encoded.passages)
        self._num_embedded += len(encoded.passages)
        self._library.stage([pending.staged(encoded.vectors, encoded.entries, self._entry_writer.version)])

    def _queue(self, source: Source, passages: list[Passage], key: str) -> None:
        self._pending[source.doc_id] = _Pending(source.doc_id, source.name, key, passages)
        if sum(len(pending.passages) for pending in self._pending.values()) >= _FLUSH_PASSAGES:
            self._flush()

    def _flush(self) -> None:
        """Embed and stage what waits."""
        if not self._pending:
            return
        self._prepare()  # loads the model, which is no part of the embedding time
        passages = [passage for pending in self._pending.values() for passage in pending.passages]
        texts = [passage_text(passage.title, passage.text, passage.heading) for passage in passages]
        started = time.perf_counter()
        vectors = self._encoder.encode(texts)
        self._embed_seconds += time.perf_counter() - started
        self._num_embedded += len(texts)
        entries = self._entry_writer.write(passages)
        batch, first = [], 0
        for pending in self._pending.values():
            last = first + len(pending.passages)
            part = slice(first, last)
            batch.append(pending.staged(vectors[part], entries[part], self._entry_writer.version))
            first = last
        self._library.stage(batch)
        self._pending = {}


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items to gather together. Pages of one source that follow each other stay together."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) < _CHUNK_ITEMS:
            continue
        num_pages = _num_last_pages(chunk)
        if num_pages < len(chunk):
            cut = len(chunk) if num_pages == 1 else len(chunk) - num_pages
            yield chunk[:cut]
            chunk = chunk[cut:]
    if chunk:
        yield chunk


def _num_last_pages(chunk: Sequence[Item]) -> int:
    """How many of the last items are documents of one source; at least 1."""
    last = chunk[-1]
    if not isinstance(last, Document):
        return 1
    name = document_name(last)
    pages = takewhile(lambda item: isinstance(item, Document) and document_name(item) == name, reversed(chunk))
    return sum(1 for _ in pages)
