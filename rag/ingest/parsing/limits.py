"""What one file may cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from zipfile import ZipFile, is_zipfile

from rag.core.errors import SourceError

_MIB = 2**20
# Office files expand 10 to 30 times. Small archives may expand more: they take no memory that matters.
_MAX_RATIO = 100
_FREE_BYTES = 16 * _MIB


@dataclass(frozen=True)
class Limits:
    """Bounds on the reading of one file.

    Attributes:
        timeout_s: the longest time, seconds.
        memory_mib: the most memory that the process takes for it, MiB; also the largest file.
        expansion_mib: what a file that is an archive may expand to, MiB.
    """

    timeout_s: float = 60.0
    memory_mib: int = 1024
    expansion_mib: int = 512

    def check_size(self, num_bytes: int) -> None:
        """Refuse a file that alone would fill the memory.

        Raises:
            SourceError: it is too large.
        """
        if num_bytes > self.memory_mib * _MIB:
            raise SourceError(
                f"it has {num_bytes // _MIB} MiB, more than reading may take "
                f"({self.memory_mib} MiB, setting parse_memory_mib)"
            )

    def check_expansion(self, content: bytes) -> None:
        """Refuse an archive that expands to too much. Its list of contents is read, nothing is unpacked.

        Raises:
            SourceError: it expands to more than ``expansion_mib``, or more than a hundredfold.
        """
        if not is_zipfile(BytesIO(content)):
            return
        with ZipFile(BytesIO(content)) as archive:
            num_bytes = sum(entry.file_size for entry in archive.infolist())
        if num_bytes > self.expansion_mib * _MIB:
            raise SourceError(
                f"it expands to {num_bytes // _MIB} MiB, more than {self.expansion_mib} MiB "
                "(setting parse_expansion_mib)"
            )
        if num_bytes > max(_FREE_BYTES, _MAX_RATIO * len(content)):
            raise SourceError(f"it expands {num_bytes // len(content)} times, as an archive bomb does")


class MemoryLimit:
    """Lets this process take ``memory_mib`` MiB more than it has now. It also leaves no core file.

    Address space is what the system can limit. Only Linux does; elsewhere the time limit alone holds.
    """

    def __init__(self, memory_mib: int) -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        self._enough = sys.maxsize
        if sys.platform == "linux":
            size = _read_status("VmSize")
            limit = size + memory_mib * _MIB
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            self._enough = size + memory_mib * _MIB // 2

    def is_suspect(self) -> bool:
        """Whether an error may be for want of memory: at least half of it was in use.

        Parsers in C say anything then, such as that a file is damaged.
        """
        return sys.platform == "linux" and _read_status("VmPeak") > self._enough


def _read_status(name: str) -> int:
    """One of the sizes of this process, bytes."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        line = next(line for line in file if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
