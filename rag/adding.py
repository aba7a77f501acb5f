"""Adding sources to a library: read, split, embed, stage; then publish everything at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langchain_core.documents import Document

from rag.config import Config
from rag.errors import SourceError
from rag.ingest import Source, content_hash, gather, load, split
from rag.libraries import AnyLibrary
from rag.library import Staged
from rag.types import AddReport, FailedSource, Passage
from retrievers.encoder import Encoder, passage_text

# Passages embedded and staged together: enough for full batches, little enough to lose in a kill.
_FLUSH_PASSAGES = 256


class Progress:
    """Told how far an ``add`` is; this one keeps it to itself."""

    def start(self, num_sources: int) -> None:
        """``num_sources`` will be looked at."""

    def advance(self, source: str) -> None:
        """One more source is done."""


class Adder:
    """One ``add`` into one library."""

    def __init__(self, library: AnyLibrary, encoder: Encoder, config: Config) -> None:
        self._library = library
        self._encoder = encoder
        self._config = config
        self._pending: list[tuple[Source, str, str, list[Passage]]] = []

    def add(self, items: Sequence[str | Path | Document | Source], progress: Progress) -> AddReport:
        """See :meth:`rag.engine.Engine.add`."""
        gathered = gather(items)
        failed = list(gathered.failed)
        added: list[str] = []
        replaced: list[str] = []
        unchanged: list[str] = []
        doc_ids: list[str] = []
        progress.start(len(gathered.sources))
        with self._library.writing():
            self._library.check_encoder(self._encoder.name)
            live = self._library.hashes(is_live=True)
            staged = self._library.hashes(is_live=False)
            num_before = self._library.num_passages
            for source in gathered.sources:
                try:
                    content = source.read()
                    key = self._key(content, source)
                    if live.get(source.doc_id) == key:
                        unchanged.append(source.name)
                        continue
                    if staged.get(source.doc_id) != key:
                        self._take(source, content, key)
                    (replaced if source.doc_id in live else added).append(source.name)
                    doc_ids.append(source.doc_id)
                except SourceError as error:
                    failed.append(FailedSource(source.name, str(error)))
                finally:
                    progress.advance(source.name)
            self._flush()
            if doc_ids:
                self._library.publish(doc_ids, self._encoder.name)
            num_passages = self._library.num_passages
        return AddReport(
            tuple(added),
            tuple(replaced),
            tuple(unchanged),
            tuple(failed),
            gathered.skipped,
            num_passages,
            num_passages - num_before,
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
        texts = [passage_text(p.title, p.text) for *_, passages in self._pending for p in passages]
        vectors = self._encoder.encode(texts)
        batch, first = [], 0
        for source, title, key, passages in self._pending:
            rows = vectors[first : first + len(passages)]
            first += len(passages)
            size = sum(len(passage.text) for passage in passages)
            batch.append(Staged(source.doc_id, source.name, title, key, size, passages, rows))
        self._library.stage(batch)
        self._pending = []
