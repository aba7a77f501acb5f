"""An ``add`` on several Ray workers: they parse, split, encode and read names; this process stages and publishes.

Files are read here and sent to the workers, so no worker needs to see them. Each worker opens the library, which must
be within its reach, to compare its encoder with the library's. What a worker brings is staged at once: an ``add`` that
is interrupted goes on where it stopped. A worker that dies is started again, on another host if need be, with its part.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rag.core.encoding import Encoder, passage_text
from rag.core.errors import ConcordError, SettingError, SourceError
from rag.core.process.lazy import lazy_property
from rag.core.process.ray_workers import RayWorkers, WorkerNeeds, ray_workers
from rag.core.process.threads import configure_threads
from rag.core.settings.config import Config
from rag.ingest.parsing.limits import Limits
from rag.ingest.parsing.parser import Parser
from rag.ingest.parts import read_parts
from rag.ingest.prepare import Encoded, Prepared
from rag.ingest.source import Part, Source
from rag.ingest.splitter import DocumentSplitter
from rag.library.base import Library
from rag.library.encoder import CheckedEncoder
from rag.library.graph_index import EntryWriter

# A worker gets so much at a time: enough for full batches, and little to do again when it dies.
_MAX_FILES = 32
_MAX_BYTES = 2**23
# A part whose workers die more often is given up: it is the part's fault then.
_MAX_RESTARTS = 3

Outcome = tuple[str, str, Encoded | str]


@dataclass(frozen=True)
class SentSource:
    """A source as it is sent to a worker: with its bytes, or its parts."""

    name: str
    suffix: str
    title: str
    parts: tuple[Part, ...]
    content: bytes
    key: str

    def source(self) -> Source:
        """As it was before."""
        content = self.content
        return Source(self.name, lambda: content, self.suffix, self.title, self.parts)


class AddWorker:
    """Prepares sources in its own process."""

    def __init__(
        self, open_library: Callable[[], Library], encoder: Encoder, config: Config, entry_writer: EntryWriter
    ) -> None:
        self._open, self._raw_encoder, self._config, self._entries = open_library, encoder, config, entry_writer

    def prepare(self, sources: Sequence[SentSource]) -> list[Outcome] | ConcordError:
        """Of each source its name, its key, and what was made of it or why it could not be read."""
        try:
            return [(sent.name, sent.key, self._prepare(sent)) for sent in sources]
        except ConcordError as error:
            return error

    def _prepare(self, sent: SentSource) -> Encoded | str:
        source = sent.source()
        try:
            document = read_parts(source) if source.parts else self._parser.parse(source, sent.content)
        except SourceError as error:
            return str(error)
        passages = self._splitter.split(source, document)
        texts = [passage_text(passage.title, passage.text, passage.heading) for passage in passages]
        return Encoded(passages, self._encoder.encode(texts), self._entries.write(passages), document.notes)

    @lazy_property
    def _encoder(self) -> CheckedEncoder:
        configure_threads()
        return CheckedEncoder(self._raw_encoder, self._open())

    @lazy_property
    def _splitter(self) -> DocumentSplitter:
        return DocumentSplitter(self._encoder, self._config)

    @lazy_property
    def _parser(self) -> Parser:
        config = self._config
        return Parser(Limits(config.parse_timeout_s, config.parse_memory_mib, config.parse_expansion_mib))


class RayPreparer:
    """Prepares sources on workers; the contract of :class:`rag.ingest.prepare.Preparer`, in any order.

    Args:
        workers: of the class :class:`AddWorker`.
        content_key, is_known: as for the other.
    """

    def __init__(
        self,
        workers: RayWorkers,
        content_key: Callable[[bytes, Source], str],
        is_known: Callable[[str, str], bool],
    ) -> None:
        self._workers, self._content_key, self._is_known = workers, content_key, is_known

    def prepare(self, sources: Iterable[Source]) -> Generator[Prepared]:
        """Every source once.

        Raises:
            ConcordError: a worker failed, or died again and again. What was staged is kept.
        """
        by_name: dict[str, Source] = {}
        aside: list[Prepared] = []  # what no worker is needed for
        for results in self._workers.stream("prepare", self._parts(sources, by_name, aside)):
            while aside:
                yield aside.pop(0)
            for name, key, result in results:
                if isinstance(result, str):
                    yield Prepared(by_name[name], reason=result)
                else:
                    yield Prepared(by_name[name], key, encoded=result)
        yield from aside

    def _parts(
        self, sources: Iterable[Source], by_name: dict[str, Source], aside: list[Prepared]
    ) -> Iterator[list[SentSource]]:
        part: list[SentSource] = []
        for source in sources:
            by_name[source.name] = source
            try:
                content = source.read()
            except SourceError as error:
                aside.append(Prepared(source, reason=str(error)))
                continue
            key = self._content_key(content, source)
            if self._is_known(source.doc_id, key):
                aside.append(Prepared(source, key))
                continue
            part.append(SentSource(source.name, source.suffix, source.title, source.parts, content, key))
            if len(part) >= _MAX_FILES or sum(len(item.content) for item in part) >= _MAX_BYTES:
                yield part
                part = []
        if part:
            yield part


@contextmanager
def on_workers(
    num_workers: int,
    library: Library,
    encoder: Encoder,
    config: Config,
    entry_writer: EntryWriter,
) -> Iterator[RayWorkers]:
    """Workers of the class :class:`AddWorker`, which end with the context.

    Raises:
        SettingError: Ray is not installed or has no room, or the encoder cannot be sent.
    """
    try:
        pickle.dumps(encoder)
    # Foreign embeddings may refuse in any way.
    except Exception as error:
        raise SettingError(
            f"the embeddings ({encoder.name}) cannot be sent to workers ({type(error).__name__}: {error}); use "
            "workers=1, or an encoder by name"
        ) from error
    arguments = (library.opener(), encoder, config, entry_writer)
    needs = WorkerNeeds(num_workers, gpus=float(config.device.startswith("cuda")), restarts=_MAX_RESTARTS)
    with ray_workers(AddWorker, arguments, needs) as workers:
        yield workers
