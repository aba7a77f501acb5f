"""What was found out about a library as a whole, kept with it: it goes when the library goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from rag.core.errors import StorageError
from rag.core.process.files import write_atomically


class ReportStore(ABC):
    """The reports of one library, by name; each is replaced as a whole."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The newest report of this name; ``None`` if there is none."""

    @abstractmethod
    def write(self, name: str, body: bytes) -> None:
        """Replace a report.

        Raises:
            StorageError: the disk is full, or the server is out of reach.
        """


class FolderReportStore(ReportStore):
    """Reports as files in the library's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """See :meth:`ReportStore.read`."""
        try:
            return self._file(name).read_bytes()
        except OSError:
            return None

    def write(self, name: str, body: bytes) -> None:
        """See :meth:`ReportStore.write`."""
        try:
            write_atomically(self._file(name), body)
        except OSError as error:
            file = self._file(name)
            raise StorageError(f"cannot write {file}: {error.strerror}; free some space, then try again") from error

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}-report.json"
