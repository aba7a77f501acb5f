"""Adding sources to a library: read, split, embed, stage; then publish everything at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from langchain_core.documents import Document

from rag.core.encoding import Vectors, passage_text
from rag.core.errors import SourceError
from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.process.progress import Progress
from rag.core.reports import AddCost, AddReport, FailedSource
from rag.core.settings.config import Config
from rag.core.tokens import TokenReader
from rag.ingest.gather import Gathered, gather
from rag.ingest.languages import LanguageCheck
from rag.ingest.load import load
from rag.ingest.source import Source, content_hash
from rag.ingest.split import VERSION, Lengths, split
from rag.ingest.tidy import tidy
from rag.library.base import Library, Staged
from rag.library.encoder import CheckedEncoder

# Passages embedded and staged together: enough for full batches, few enough to lose in a kill.
_FLUSH_PASSAGES = 256
# Items gathered together. Those of a stream are gone, with their text, when the next come.
_CHUNK_ITEMS = 500


@dataclass(frozen=True)
class _Pending:
    """A document that waits for its vectors."""

    source: Source
    content_hash: str
    passages: list[Passage]

    def staged(self, vectors: Vectors) -> Staged:
        """With its vectors, one row per passage."""
        size = sum(len(passage.text) for passage in self.passages)
        source, first = self.source, self.passages[0]
        return Staged(
            source.doc_id, source.name, first.title, self.content_hash, size, self.passages, vectors, first.date
        )


class Ingestor:
    """One ``add`` into one library, in memory that is bounded by its longest document."""

    def __init__(self, library: Library, encoder: CheckedEncoder, config: Config, progress: Progress) -> None:
        self._library = library
        self._encoder = encoder
        self._config = config
        self._progress = progress
        self._pending: list[_Pending] = []
        # By source, so that one that comes twice is reported once: as what it was the last time.
        self._outcomes: dict[str, str] = {}
        self._failed: list[FailedSource] = []
        self._notes: list[str] = []
        self._languages = LanguageCheck(encoder)
        self._skipped: list[str] = []
        self._doc_ids: dict[str, None] = {}
        self._num_sources = 0
        self._num_embedded = 0
        self._embed_seconds = 0.0
        self._is_prepared = False
        self._resumed: set[str] = set()

    def add(self, items: Iterable[str | Path | Document | Source]) -> AddReport:
        """See :meth:`rag.engine.Engine.add`."""
        started = time.perf_counter()
        stream = iter(items)
        with self._library.writing():
            self._library.check_encoder(self._encoder.name)
            if self._library.hashes(is_live=False):
                self._prepare()  # drops what another model embedded
            live, staged = self._library.hashes(is_live=True), self._library.hashes(is_live=False)
            self._resumed = set(staged)
            num_before = self._library.num_passages
            while chunk := list(islice(stream, _CHUNK_ITEMS)):
                self._add_chunk(gather(chunk), live, staged)
                del chunk
            self._flush()
            if self._doc_ids:
                self._library.publish(list(self._doc_ids), self._encoder.name)
        return self._report(num_before, time.perf_counter() - started)

    def _add_chunk(self, gathered: Gathered, live: Mapping[str, str], staged: dict[str, str]) -> None:
        self._num_sources += len(gathered.sources)
        self._progress.start(self._num_sources)
        self._failed += gathered.failed
        self._skipped += gathered.skipped
        for source in gathered.sources:
            self._look_at(source, live, staged)
            self._progress.advance(source.name)

    def _prepare(self) -> None:
        """Compare the encoder with that of the vectors that are there; once, and not before one is needed."""
        if not self._is_prepared:
            self._encoder.prepare_to_add()
            self._is_prepared = True

    def _look_at(self, source: Source, live: Mapping[str, str], staged: dict[str, str]) -> None:
        """Embed a source that is new or has changed, unless an interrupted add has done so."""
        doc_id = source.doc_id
        try:
            content = source.read()
            key = self._content_hash(content, source)
            if live.get(doc_id) == key:
                self._outcomes[source.name] = "unchanged"
                self._doc_ids.pop(doc_id, None)
                return
            if staged.get(doc_id) != key:
                self._queue(source, content, key)
                self._resumed.discard(doc_id)
                staged[doc_id] = key
        except SourceError as error:
            self._failed.append(FailedSource(source.name, str(error)))
            return
        self._outcomes[source.name] = "replaced" if doc_id in live else "added"
        self._doc_ids[doc_id] = None

    def _report(self, num_before: int, seconds: float) -> AddReport:
        num_passages = self._library.num_passages
        by_outcome = {
            outcome: tuple(name for name, reached in self._outcomes.items() if reached == outcome)
            for outcome in ("added", "replaced", "unchanged")
        }
        cost = AddCost(
            seconds,
            self._num_embedded,
            len(self._resumed & self._doc_ids.keys()),
            self._library.size_bytes / max(num_passages, 1),
            self._embed_seconds,
        )
        return AddReport(
            **by_outcome,
            failed=tuple(self._failed),
            skipped=tuple(self._skipped),
            notes=(*self._notes, *self._languages.notes()),
            num_passages=num_passages,
            num_new_passages=num_passages - num_before,
            cost=cost,
        )

    def _content_hash(self, content: bytes, source: Source) -> str:
        splitter = (VERSION, self._config.chunk_tokens, self._config.chunk_overlap_tokens)
        return content_hash(content, source, splitter, self._encoder.name)

    def _queue(self, source: Source, content: bytes, key: str) -> None:
        document = tidy(load(source, content))
        if not document.blocks:
            raise SourceError("there is no text in it, only encoded data")
        self._notes += [f"{source.name}: {note}" for note in document.notes]
        passages = split(source, document, self._lengths, self._tokens)
        self._languages.look_at(passages)
        self._pending.append(_Pending(source, key, passages))
        if sum(len(pending.passages) for pending in self._pending) >= _FLUSH_PASSAGES:
            self._flush()

    @lazy_property
    def _tokens(self) -> TokenReader:
        """The encoder's tokenizer; the first document that is split loads it."""
        self._prepare()
        return self._encoder.token_reader()

    @lazy_property
    def _lengths(self) -> Lengths:
        return Lengths.resolve(self._config, self._tokens, self._encoder.name)

    def _flush(self) -> None:
        """Embed and stage what waits."""
        if not self._pending:
            return
        self._prepare()  # loads the model, which is no part of the embedding time
        texts = [passage_text(p.title, p.text, p.heading) for pending in self._pending for p in pending.passages]
        started = time.perf_counter()
        vectors = self._encoder.encode(texts)
        self._embed_seconds += time.perf_counter() - started
        self._num_embedded += len(texts)
        batch, first = [], 0
        for pending in self._pending:
            last = first + len(pending.passages)
            batch.append(pending.staged(vectors[first:last]))
            first = last
        self._library.stage(batch)
        self._pending = []
