"""Wall time by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Timings:
    """Wall time by stage, milliseconds."""

    by_stage: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed_ms = (time.perf_counter() - started) * 1e3
            self.by_stage[name] = self.by_stage.get(name, 0.0) + elapsed_ms

    def report(self) -> dict[str, float]:
        """All stages and their sum, ``total``."""
        return {**self.by_stage, "total": sum(self.by_stage.values())}
