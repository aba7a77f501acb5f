"""Reading ahead: the next sources are read and parsed while the caller works on the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from rag.core.encoding import Vectors
from rag.core.errors import SourceError
from rag.core.passages import Passage
from rag.ingest.blocks import ParsedDocument
from rag.ingest.parsing.parser import Parser
from rag.ingest.parts import read_parts
from rag.ingest.source import Source

# Each source may be large, so few.
NUM_AHEAD = 2


@dataclass(frozen=True)
class Encoded:
    """A document after a worker split and encoded it: its passages, their vectors ``[P, D]`` and graph entries.

    ``notes`` are the reader's.
    """

    passages: list[Passage]
    vectors: Vectors
    entries: list[bytes]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A source after it was read.

    Attributes:
        key: hash of its content; empty where it could not be read.
        document: what is in it; ``None`` where it is known already, could not be read, or is encoded.
        reason: why it could not be read.
        encoded: what a worker made of it.
    """

    source: Source
    key: str = ""
    document: ParsedDocument | None = None
    reason: str = ""
    encoded: Encoded | None = None


class Preparer:
    """Reads sources in a thread of its own, which the parser serves.

    Args:
        parser: ended when the caller stops in the middle, so that nobody waits for a file that nobody wants.
        content_key: hash of a source's content.
        is_known: whether the document (by its id) is there already with this hash.
        num_ahead: sources that are ready or under way while the caller works on one.
    """

    def __init__(
        self,
        parser: Parser,
        content_key: Callable[[bytes, Source], str],
        is_known: Callable[[str, str], bool],
        num_ahead: int = NUM_AHEAD,
    ) -> None:
        self._parser = parser
        self._content_key = content_key
        self._is_known = is_known
        self._num_ahead = num_ahead

    def prepare(self, sources: Iterable[Source]) -> Generator[Prepared]:
        """Every source, in order."""
        waiting: deque[Future[Prepared]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="reading") as pool:
            try:
                for source in sources:
                    waiting.append(pool.submit(self._read, source))
                    if len(waiting) > self._num_ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
                if any(future.running() for future in waiting):
                    self._parser.close()

    def _read(self, source: Source) -> Prepared:
        try:
            content = source.read()
            key = self._content_key(content, source)
            if self._is_known(source.doc_id, key):
                return Prepared(source, key)
            document = read_parts(source) if source.parts else self._parser.parse(source, content)
        except SourceError as error:
            return Prepared(source, reason=str(error))
        return Prepared(source, key, document)
