"""Foreign files to documents: short plain text here, all else in a worker process."""

from __future__ import annotations

from rag.core.errors import SourceError
from rag.ingest.blocks import ParsedDocument
from rag.ingest.parsing.limits import Limits
from rag.ingest.parsing.process import WorkerEndedError, WorkerProcess
from rag.ingest.parsing.reading import read_document
from rag.ingest.source import Source

_PLAIN_TYPES = frozenset((".txt", ".text"))
_MAX_PLAIN_BYTES = 2**16


class Parser:
    """One worker for many files; a new one after a file that was too much for it. For one thread at a time.

    The worker starts with the first file that needs it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._worker: WorkerProcess | None = None

    def __enter__(self) -> Parser:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, also from another thread; the next file starts a new one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

    def parse(self, source: Source, content: bytes) -> ParsedDocument:
        """The document in ``content``.

        Raises:
            SourceError: it cannot be read, or not within the limits.
            UnavailableError: this machine starts no worker.
        """
        self._limits.check_size(len(content))
        if is_plain(source, content):
            return read_document(source, content, self._limits)
        is_fresh = self._worker is None
        try:
            return self._ask(source, content)
        except WorkerEndedError as ended:
            if is_fresh or ended.is_out_of_time:
                raise SourceError(str(ended)) from ended
        try:  # not this file's fault, perhaps: those before it may have left little memory
            return self._ask(source, content)
        except WorkerEndedError as ended:
            raise SourceError(str(ended)) from ended

    def _ask(self, source: Source, content: bytes) -> ParsedDocument:
        if self._worker is None:
            self._worker = WorkerProcess(self._limits)
        try:
            return self._worker.read(source, content)
        except SourceError:
            raise
        except BaseException:  # KeyboardInterrupt too: the worker is in the middle of something
            self.close()
            raise


def is_plain(source: Source, content: bytes) -> bool:
    """Whether a file may be read in this process: short UTF-8 text.

    It goes through no foreign code. Decoding UTF-8 and cutting lines take time and memory in proportion to the length,
    which is bounded.
    """
    if source.suffix not in _PLAIN_TYPES or len(content) > _MAX_PLAIN_BYTES:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
