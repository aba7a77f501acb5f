"""How a long benchmark tells where it is, keeps what it has, and ends in time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console


class Progress:
    """Prints a line for each step to standard error and writes the figures so far.

    Args:
        figures: filled by the benchmark as it goes.
        file: where they are kept as JSON, if anywhere.
        minutes: after these, no further step starts.
    """

    def __init__(self, figures: dict[str, Any], file: Path | None, minutes: float) -> None:
        self._figures = figures
        self._file = file
        self._started = time.perf_counter()
        self._seconds = 60 * minutes
        self._console = Console(stderr=True, width=160)

    def say(self, line: str) -> None:
        """Print ``line`` and keep the figures."""
        self._figures["seconds"] = time.perf_counter() - self._started
        self._console.print(line, highlight=False)
        if self._file:
            self._file.write_text(json.dumps(self._figures), encoding="utf-8")

    def has_time(self, step: str) -> bool:
        """Whether ``step`` may still start; if not, it is listed under ``skipped``."""
        if time.perf_counter() - self._started < self._seconds:
            return True
        self._figures.setdefault("skipped", []).append(step)
        self.say(f"{step}: no time left")
        return False
