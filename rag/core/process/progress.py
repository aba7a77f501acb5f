"""How long work tells its caller how far it is."""

from __future__ import annotations

from collections.abc import Callable

# Told how many of how many items are done.
Report = Callable[[int, int], None]


class Progress:
    """Told how far an ``add`` is; this one keeps it to itself."""

    def start(self, num_sources: int) -> None:
        """``num_sources`` will be looked at; called again, with the new sum, when more come from a stream."""

    def advance(self, source: str) -> None:
        """One more source is done."""
