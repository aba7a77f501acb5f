"""What one ``add`` needs to split documents: lengths by the encoder, and what the person should know afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from rag.core.passages import Passage
from rag.core.process.lazy import lazy_property
from rag.core.settings.config import Config
from rag.core.tokens import TokenReader
from rag.ingest.blocks import ParsedDocument
from rag.ingest.languages import LanguageCheck
from rag.ingest.source import Source
from rag.ingest.split import VERSION, Lengths, split
from rag.library.encoder import CheckedEncoder


class DocumentSplitter:
    """Splits documents for one encoder. The first document loads its tokenizer.

    Attributes:
        settings: with other ones, the same document gives other passages.
    """

    def __init__(self, encoder: CheckedEncoder, config: Config) -> None:
        self._encoder = encoder
        self._config = config
        self._languages = LanguageCheck(encoder)
        self._notes: list[str] = []
        self.settings: tuple[object, ...] = (VERSION, config.chunk_tokens, config.chunk_overlap_tokens)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of documents, and the languages that the encoder cannot read."""
        return (*self._notes, *self._languages.notes())

    def split(self, source: Source, document: ParsedDocument) -> list[Passage]:
        """The passages of a document, in order; at least one.

        Raises:
            SettingError: passages are to be longer than the encoder reads.
        """
        passages = split(source, document, self._lengths, self._tokens)
        self.note(source, document.notes, passages)
        return passages

    def note(self, source: Source, notes: Sequence[str], passages: Sequence[Passage]) -> None:
        """Take note of what the reader said of a document, and of its language."""
        self._notes += [f"{source.name}: {note}" for note in notes]
        self._languages.look_at(passages)

    @lazy_property
    def _tokens(self) -> TokenReader:
        return self._encoder.token_reader()

    @lazy_property
    def _lengths(self) -> Lengths:
        return Lengths.resolve(self._config, self._tokens, self._encoder.name)
