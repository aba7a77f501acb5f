"""How often a job has ended its process, and over which of its files.

A file may end the process that reads it: it takes all the memory there is, or breaks a parser. Its job would be taken
up again without end. So the job notes what it looks at before it looks, and the process that finds it unended counts.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_FILE = "attempts.json"
_MAX_KILLS = 2
# What a job is at when it looks at no single file: embedding the last ones, publishing, training.
WHOLE = "whole"


@dataclass
class Attempts:
    """The file ``attempts.json`` of a job; whoever holds the job's lock may write it.

    Attributes:
        is_running: the job was begun, and neither ended nor laid aside: if nobody holds its lock, it was killed.
        current: the file that it looks at.
        num_kills: by file, how often the process ended over it.
        num_done: most files that were done at such an end; a job that gets further each time is not at fault.
    """

    folder: Path
    is_running: bool = False
    current: str = WHOLE
    num_kills: dict[str, int] = field(default_factory=dict)
    num_done: int = -1

    @classmethod
    def read(cls, folder: Path) -> Attempts:
        """The attempts at the job in ``folder``; a missing or damaged file counts as none."""
        try:
            fields: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            return cls(folder, **fields)
        except (OSError, ValueError, TypeError):
            return cls(folder)

    def begin(self, num_done: int) -> None:
        """Take the job up; if it was killed, count that.

        Args:
            num_done: files that were done when it was last heard of.
        """
        if self.is_running:
            if self.current == WHOLE and num_done > self.num_done:
                self.num_kills[WHOLE] = 0
            self.num_kills[self.current] = self.num_kills.get(self.current, 0) + 1
            self.num_done = max(self.num_done, num_done)
        self.is_running, self.current = True, WHOLE
        self._write()

    def look_at(self, name: str) -> None:
        """Note what the job looks at next."""
        self.current = name
        self._write()

    def end(self) -> None:
        """The job has ended, or was laid aside on purpose."""
        self.is_running = False
        self._write()

    def is_dead(self, name: str = WHOLE) -> bool:
        """Whether ``name`` has ended the process too often to be looked at again."""
        return self.num_kills.get(name, 0) >= _MAX_KILLS

    def _write(self) -> None:
        # Not flushed to disk: it must survive the end of a process, and a power cut is no fault of a file.
        partial = self.folder / f".{_FILE}"
        partial.write_text(json.dumps({key: value for key, value in asdict(self).items() if key != "folder"}))
        partial.replace(self.folder / _FILE)
