"""How often a job has ended its process, and over which of its files.

A file may end the process that reads it: it takes all the memory there is, or breaks a parser. Its job would be taken
up again without end. So the job notes what it looks at before it looks, and the process that finds it unended counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_KILLS = 2
# What a job is at when it looks at no single file: embedding the last ones, publishing, training.
WHOLE = "whole"


@dataclass
class _Record:
    is_running: bool = False
    current: str = WHOLE
    num_kills: dict[str, int] = field(default_factory=dict)
    num_done: int = -1


class Attempts:
    """The attempts at one job; whoever works on the job may change them.

    Args:
        fields: as they were saved; missing or damaged ones count as none.
        save: keeps them. They must survive the end of the process.

    Attributes (saved):
        is_running: the job was begun, and neither ended nor laid aside: if nobody works on it, it was killed.
        current: the file that it looks at.
        num_kills: by file, how often the process ended over it.
        num_done: most files that were done at such an end; a job that gets further each time is not at fault.
    """

    def __init__(self, fields: object, save: Callable[[Mapping[str, Any]], None]) -> None:
        try:
            self._record = _Record(**fields) if isinstance(fields, dict) else _Record()
        except TypeError:
            self._record = _Record()
        self._save = save

    @property
    def num_kills(self) -> Mapping[str, int]:
        """By file, how often the process ended over it."""
        return self._record.num_kills

    def begin(self, num_done: int) -> None:
        """Take the job up; if it was killed, count that.

        Args:
            num_done: files that were done when it was last heard of.
        """
        record = self._record
        if record.is_running:
            if record.current == WHOLE and num_done > record.num_done:
                record.num_kills[WHOLE] = 0
            record.num_kills[record.current] = record.num_kills.get(record.current, 0) + 1
            record.num_done = max(record.num_done, num_done)
        record.is_running, record.current = True, WHOLE
        self._write()

    def look_at(self, name: str) -> None:
        """Note what the job looks at next."""
        self._record.current = name
        self._write()

    def end(self) -> None:
        """The job has ended, or was laid aside on purpose."""
        self._record.is_running = False
        self._write()

    def is_dead(self, name: str = WHOLE, max_kills: int = MAX_KILLS) -> bool:
        """Whether ``name`` has ended the process too often to be looked at again."""
        return self._record.num_kills.get(name, 0) >= max_kills

    def _write(self) -> None:
        self._save(asdict(self._record))
