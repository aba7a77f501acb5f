"""Adding sources to a library: read, split, embed, stage; then publish everything at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from langchain_core.documents import Document

from rag.core.config import Config
from rag.core.encoding import passage_text
from rag.core.errors import SourceError
from rag.core.passages import Passage
from rag.core.progress import Progress
from rag.core.reports import AddCost, AddReport, FailedSource
from rag.ingest.loaders import Source, content_hash, gather, load, split
from rag.library.base import Library, Staged
from rag.library.encoder import CheckedEncoder

# Passages embedded and staged together: enough for full batches, little enough to lose in a kill.
_FLUSH_PASSAGES = 256


# Items looked at together. Those of a stream are gone, with their text, when the next come.
_CHUNK_ITEMS = 500


class Ingestor:
    """One ``add`` into one library, in memory that is bounded by its longest document."""

    def __init__(self, library: Library, encoder: CheckedEncoder, config: Config, progress: Progress) -> None:
        self._library = library
        self._encoder = encoder
        self._config = config
        self._progress = progress
        self._pending: list[tuple[Source, str, str, list[Passage]]] = []
        # By source, so that one that comes twice is reported once: as what it was the last time.
        self._outcomes: dict[str, str] = {}
        self._failed: list[FailedSource] = []
        self._skipped: list[str] = []
        self._doc_ids: dict[str, None] = {}
        self._num_embedded = 0
        self._is_prepared = False
        self._resumed: set[str] = set()

    def add(self, items: Iterable[str | Path | Document | Source]) -> AddReport:
        """See :meth:`rag.engine.Engine.add`."""
        started = time.perf_counter()
        stream, num_sources = iter(items), 0
        with self._library.writing():
            self._library.check_encoder(self._encoder.name)
            live = self._library.hashes(is_live=True)
            if self._library.hashes(is_live=False):
                self._prepare()  # drops what another model embedded
            staged = self._library.hashes(is_live=False)
            self._resumed = set(staged)
            num_before = self._library.num_passages
            while some := list(islice(stream, _CHUNK_ITEMS)):
                gathered = gather(some)
                num_sources += len(gathered.sources)
                self._progress.start(num_sources)
                self._failed += gathered.failed
                self._skipped += gathered.skipped
                for source in gathered.sources:
                    self._look_at(source, live, staged)
                    self._progress.advance(source.name)
            self._flush()
            if self._doc_ids:
                self._library.publish(list(self._doc_ids), self._encoder.name)
        return self._report(num_before, time.perf_counter() - started)

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
            key = self._key(content, source)
            if live.get(doc_id) == key:
                self._outcomes[source.name] = "unchanged"
                self._doc_ids.pop(doc_id, None)
                return
            if staged.get(doc_id) != key:
                self._take(source, content, key)
                self._resumed.discard(doc_id)
                staged[doc_id] = key
        except SourceError as error:
            self._failed.append(FailedSource(source.name, str(error)))
            return
        self._outcomes[source.name] = "replaced" if doc_id in live else "added"
        self._doc_ids[doc_id] = None

    def _report(self, num_before: int, seconds: float) -> AddReport:
        num_passages = self._library.num_passages
        named = {
            outcome: tuple(name for name, own in self._outcomes.items() if own == outcome)
            for outcome in ("added", "replaced", "unchanged")
        }
        cost = AddCost(
            seconds,
            self._num_embedded,
            len(self._resumed & self._doc_ids.keys()),
            self._library.size_bytes / max(num_passages, 1),
        )
        return AddReport(
            **named,
            failed=tuple(self._failed),
            skipped=tuple(self._skipped),
            num_passages=num_passages,
            num_new_passages=num_passages - num_before,
            cost=cost,
        )

    def _key(self, content: bytes, source: Source) -> str:
        splitter = (self._config.chunk_chars, self._config.chunk_overlap)
        return content_hash(content, source, splitter, self._encoder.name)

    def _take(self, source: Source, content: bytes, key: str) -> None:
        text = load(source, content)
        config = self._config
        passages = split(source, text, chunk_chars=config.chunk_chars, chunk_overlap=config.chunk_overlap)
        self._pending.append((source, text.title, key, passages))
        if sum(len(entry[3]) for entry in self._pending) >= _FLUSH_PASSAGES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        self._prepare()
        texts = [passage_text(p.title, p.text) for *_, passages in self._pending for p in passages]
        vectors = self._encoder.encode(texts)
        self._num_embedded += len(texts)
        batch, first = [], 0
        for source, title, key, passages in self._pending:
            rows = vectors[first : first + len(passages)]
            first += len(passages)
            size = sum(len(passage.text) for passage in passages)
            batch.append(Staged(source.doc_id, source.name, title, key, size, passages, rows))
        self._library.stage(batch)
        self._pending = []
